//! The Broker on `RabbitMQ`: queues that outlive us (`docs/rabbitmq.md`).
//!
//! | file | what it holds |
//! |---|---|
//! | `names` | exchanges, queues, connections and consumers, as an operator reads them |
//! | `topology` | what is declared, and with which arguments |
//! | `proof` | that each queue takes messages, proven at the start |
//! | `connection` | one connection, opened within a time |
//! | `link` | a connection that comes back |
//! | `publisher`, `healer` | messages out, confirmed; what was deleted is declared again |
//! | `consumer`, `subscription` | messages in |
//! | `life`, `acks` | acknowledgements in bulk, within one life of a channel |
//! | [`Parking`] | the parking queue, for an operator |
//! | `error` | what lapin's errors mean |

mod acks;
mod connection;
mod consumer;
mod error;
mod healer;
mod life;
mod link;
mod names;
mod parking;
mod proof;
mod publisher;
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
use self::link::{Link, Site};
use self::names::{Names, Process, Role};
pub use self::parking::Parking;
use self::publisher::Publisher;
use self::subscription::Subscription;
use super::{Broker, BrokerError, Consumer, Depth, Outgoing, Queue, Result};
use crate::random::Random;
use crate::secret::Secret;

/// The longest that a consumer may take to start.
const START: Duration = Duration::from_secs(15);

/// The longest that the depths of all queues may take.
const DEPTHS: Duration = Duration::from_secs(5);

/// The longest that consumers may take to tell what was ended.
const CLOSE: Duration = Duration::from_secs(5);

/// Where the broker is, and who we are to it.
#[derive(Debug, Clone)]
pub struct RabbitMqOptions {
    /// `amqp://` or `amqps://`, virtual host included.
    pub url: Secret,
    /// The first part of every queue and exchange name.
    pub prefix: String,
    /// What connections are named after: `api`, `worker` or `task-center`.
    pub program: &'static str,
    /// For the jitter of waits.
    pub random: Arc<Random>,
}

/// The Broker on `RabbitMQ`.
pub struct RabbitMq {
    site: Arc<Site>,
    publishing: Arc<Link>,
    publisher: Publisher,
    /// Opened by the first consumer: the API has none.
    consuming: Mutex<Option<Arc<Link>>>,
    subscriptions: Mutex<Subscriptions>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Subscriptions {
    /// How many there were of each queue so far.
    started: HashMap<Queue, u32>,
    running: Vec<Running>,
}

struct Running {
    phase: Arc<watch::Sender<Phase>>,
    task: JoinHandle<()>,
}

impl RabbitMq {
    /// Connects, declares the topology, and proves that each queue takes messages. Whatever fails in
    /// that is an error, for the caller to end the process with: its supervisor starts it again.
    /// Afterwards nothing is final: what is lost comes back, with growing waits, for ever.
    pub async fn connect(options: RabbitMqOptions) -> Result<Self> {
        let RabbitMqOptions {
            url,
            prefix,
            program,
            random,
        } = options;
        let site = Arc::new(Site {
            connector: Connector::new(&url, Process::this(program))?,
            names: Names::new(prefix),
            random,
        });
        let connection = site.connector.open(Role::Publish).await?;
        let depths = topology::declare(&connection, &site.names).await?;
        proof::prove(&connection, &site.names, &depths).await?;
        tracing::info!(target = %site.connector.target(), "connected to the broker");
        let link = Arc::new(Link::keep(Arc::clone(&site), Role::Publish, connection));
        Ok(Self {
            publisher: Publisher::new(Arc::clone(&site), Arc::clone(&link)),
            site,
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
        let connection = self.site.open(Role::Consume).await?;
        let link = Link::keep(Arc::clone(&self.site), Role::Consume, connection);
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
        let (tell, ended) = mpsc::unbounded_channel();
        let (phase_in, phase) = watch::channel(Phase::Running);
        let (stopped_in, stopped) = watch::channel(false);
        let (started_in, started) = oneshot::channel();
        let phase_in = Arc::new(phase_in);
        let epoch = Arc::new(AtomicU64::new(0));

        let mut subscriptions = self.subscriptions.lock().await;
        self.ensure_open()?;
        let number = subscriptions.started.entry(queue).or_default();
        *number += 1;
        let name = self.site.names.queue(queue);
        let subscription = Subscription {
            tag: self.site.connector.process().consumer(&name, *number),
            site: Arc::clone(&self.site),
            link,
            queue,
            prefetch: prefetch.max(1), // to the broker 0 means no bound
            received: received_in,
            tell,
            ended,
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
        // One that publishes gets no answers while the broker is short of memory.
        let consuming = self.consuming.lock().await.clone();
        let link = consuming.unwrap_or_else(|| Arc::clone(&self.publishing));
        let connection = link.connection()?;
        let asked = topology::depths(&connection, &self.site.names);
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
            .field("target", &self.site.connector.target())
            .field("names", &self.site.names)
            .finish_non_exhaustive()
    }
}
