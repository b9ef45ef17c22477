//! The Broker on `RabbitMQ` (`docs/rabbitmq.md`).
//!
//! | file | what it holds |
//! |---|---|
//! | `names` | the names of exchanges, queues, connections and consumers |
//! | `topology` | declares exchanges and queues |
//! | `proof` | proves at the start that each queue takes messages |
//! | `channel` | opens and closes channels |
//! | `connection` | opens one connection, within a time limit |
//! | `link` | a connection that is opened again when it is lost |
//! | `publisher` | publishes messages, each confirmed |
//! | `healer` | declares again what was deleted |
//! | `consumer` | the worker's end of a subscription |
//! | `subscription` | the task that receives, and subscribes again when that ends |
//! | `session` | one channel of a subscription, until it closes |
//! | `acks` | which acknowledgements to send |
//! | [`Parking`] | the parking queue, for an operator |
//! | `error` | what lapin's errors mean to a Broker |

mod acks;
mod channel;
mod connection;
mod consumer;
mod error;
mod healer;
mod link;
mod names;
mod parking;
mod proof;
mod publisher;
mod session;
mod subscription;
mod topology;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::connection::Connector;
use self::consumer::{Phase, RabbitMqConsumer, advance};
use self::error::no_answer;
use self::link::{BrokerContext, Link};
use self::names::{Names, Process, Role};
pub use self::parking::Parking;
use self::publisher::Publisher;
use self::subscription::Subscription;
use super::{Broker, BrokerError, Consumer, Depth, Outgoing, Queue, Result};
use crate::random::Random;
use crate::secret::Secret;

/// The longest wait for a consumer to start.
const START: Duration = Duration::from_secs(15);

/// The longest wait for the depths of all queues.
const DEPTHS: Duration = Duration::from_secs(5);

/// The longest wait for a consumer to send its acknowledgements.
const CLOSE: Duration = Duration::from_secs(5);

/// Where the broker is, and the names that this process uses there.
#[derive(Debug, Clone)]
pub struct RabbitMqOptions {
    /// `amqp://` or `amqps://`, virtual host included.
    pub url: Secret,
    /// The first part of every queue and exchange name.
    pub prefix: String,
    /// The program in the names of connections: `api`, `worker` or `task-center`.
    pub program: &'static str,
    /// For the jitter of waits.
    pub random: Arc<Random>,
}

/// The Broker on `RabbitMQ`.
pub struct RabbitMq {
    context: Arc<BrokerContext>,
    publishing: Arc<Link>,
    publisher: Publisher,
    /// Opened by the first consumer; the API has none.
    consuming: Mutex<Option<Arc<Link>>>,
    subscriptions: Mutex<Subscriptions>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Subscriptions {
    /// How many were started for each queue.
    started: HashMap<Queue, u32>,
    running: Vec<Running>,
}

struct Running {
    phase: Arc<watch::Sender<Phase>>,
    task: JoinHandle<()>,
}

impl RabbitMq {
    /// Connects, declares the topology, and proves that each queue takes messages. If any of that fails,
    /// the caller should end the process, so that its supervisor starts it again. Afterwards, connections
    /// and consumers that are lost come back by themselves, with growing waits.
    pub async fn connect(options: RabbitMqOptions) -> Result<Self> {
        let RabbitMqOptions {
            url,
            prefix,
            program,
            random,
        } = options;
        let context = Arc::new(BrokerContext {
            connector: Connector::new(&url, Process::this(program))?,
            names: Names::new(prefix),
            random,
        });
        let connection = context.connector.open(Role::Publish).await?;
        let depths = topology::declare(&connection, &context.names).await?;
        proof::prove(&connection, &context.names, &depths).await?;
        tracing::info!(broker = %context.connector.target(), "connected to the broker");
        let link = Arc::new(Link::keep(Arc::clone(&context), Role::Publish, connection));
        Ok(Self {
            publisher: Publisher::new(Arc::clone(&context), Arc::clone(&link)),
            context,
            publishing: link,
            consuming: Mutex::default(),
            subscriptions: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// The connection that consumers share.
    async fn consuming(&self) -> Result<Arc<Link>> {
        let mut consuming = self.consuming.lock().await;
        self.ensure_open()?;
        if let Some(link) = &*consuming {
            return Ok(Arc::clone(link));
        }
        let connection = self.context.open(Role::Consume).await?;
        let link = Link::keep(Arc::clone(&self.context), Role::Consume, connection);
        Ok(Arc::clone(consuming.insert(Arc::new(link))))
    }

    fn ensure_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BrokerError::Closed);
        }
        Ok(())
    }
}

#[async_trait]
impl Broker for RabbitMq {
    fn is_durable(&self) -> bool {
        true
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<()> {
        self.ensure_open()?;
        self.publisher.publish(messages).await
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let link = self.consuming().await?;
        let (received_in, received) = mpsc::unbounded_channel();
        let (settle, settled) = mpsc::unbounded_channel();
        let (phase_in, phase) = watch::channel(Phase::Running);
        let (stopped_in, stopped) = watch::channel(false);
        let (started_in, started) = oneshot::channel();
        let phase_in = Arc::new(phase_in);
        let epoch = Arc::new(AtomicU64::new(0));

        let mut subscriptions = self.subscriptions.lock().await;
        self.ensure_open()?;
        let number = subscriptions.started.entry(queue).or_default();
        *number += 1;
        let name = self.context.names.queue(queue);
        let subscription = Subscription {
            tag: self.context.connector.process().consumer(&name, *number),
            context: Arc::clone(&self.context),
            link,
            queue,
            prefetch: prefetch.max(1), // to the broker 0 means no bound
            received: received_in,
            settle,
            settled,
            epoch: Arc::clone(&epoch),
            phase,
            stopped: stopped_in,
            started: Some(started_in),
        };
        subscriptions
            .running
            .retain(|running| !running.task.is_finished());
        subscriptions.running.push(Running {
            phase: Arc::clone(&phase_in),
            task: tokio::spawn(subscription.run()),
        });
        drop(subscriptions);

        let consumer = RabbitMqConsumer {
            received,
            epoch,
            phase: phase_in,
            stopped,
        };
        match timeout(START, started).await {
            Ok(Ok(started)) => started.map(|()| Box::new(consumer) as Box<dyn Consumer>),
            Ok(Err(_)) => Err(BrokerError::Closed),
            Err(_) => Err(no_answer(START, &format!("consuming from {name}"))),
        }
    }

    async fn ping(&self) -> Result<()> {
        self.ensure_open()?;
        self.publisher.ping().await?;
        match &*self.consuming.lock().await {
            Some(link) => link.connection().map(drop),
            None => Ok(()),
        }
    }

    async fn depths(&self) -> Result<Vec<Depth>> {
        self.ensure_open()?;
        // While the broker is short of memory, it answers nothing on the publishing connection.
        let consuming = self.consuming.lock().await.clone();
        let link = consuming.unwrap_or_else(|| Arc::clone(&self.publishing));
        let connection = link.connection()?;
        let asked = topology::depths(&connection, &self.context.names);
        let depths = timeout(DEPTHS, asked).await;
        depths.unwrap_or_else(|_| Err(no_answer(DEPTHS, "asking for the depths of queues")))
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let running = std::mem::take(&mut self.subscriptions.lock().await.running);
        for Running { phase, .. } in &running {
            advance(phase, Phase::Closing);
        }
        for Running { mut task, .. } in running {
            if timeout(CLOSE, &mut task).await.is_err() {
                task.abort();
            }
        }
        if let Some(link) = self.consuming.lock().await.take() {
            link.close().await;
        }
        self.publisher.close().await;
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq")
            .field("target", &self.context.connector.target())
            .field("names", &self.context.names)
            .finish_non_exhaustive()
    }
}
