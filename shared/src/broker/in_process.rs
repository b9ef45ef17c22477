//! Queues inside the process, for `task-center` without `RabbitMQ`.
//!
//! After a restart the queues are empty, and the sweep fills them again from the database. Otherwise they
//! behave as [`super::rabbitmq`] does: the same waits, prefetch, redelivery and parking. They use tokio's
//! time, so that a test can move it.

mod queues;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::queues::{Queues, Taken};
use super::parked::{self, Why};
use super::{
    Broker, BrokerError, Consumer, Delivery, Depth, Outgoing, Queue, Receipt, Result, Verdict,
};

/// The default of `QUEUE_PREFIX`; nothing else shares these queues, so no other is needed.
const PREFIX: &str = "task";

/// A Broker in process.
#[derive(Debug)]
pub struct InProcess {
    shared: Arc<Shared>,
    closed: AtomicBool,
    /// The consumers started here, which `close` ends.
    consumers: Mutex<Vec<u64>>,
}

#[derive(Debug, Default)]
struct Shared {
    queues: Mutex<Queues>,
    /// Notified of each change that may let a consumer go on.
    changed: Notify,
}

impl Shared {
    fn with<T>(&self, use_them: impl FnOnce(&mut Queues) -> T) -> T {
        use_them(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Queues)) {
        self.with(change);
        self.changed.notify_waiters();
    }
}

impl InProcess {
    /// New, empty queues.
    pub fn new() -> Self {
        Self::on(Arc::default())
    }

    /// A second Broker on the same queues, like a second connection to one `RabbitMQ`.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::on(Arc::clone(&self.shared))
    }

    fn on(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            closed: AtomicBool::new(false),
            consumers: Mutex::default(),
        }
    }

    fn ensure_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BrokerError::Closed);
        }
        Ok(())
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Broker for InProcess {
    fn is_durable(&self) -> bool {
        false
    }

    async fn start(&self) -> Result<()> {
        Ok(())
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<()> {
        self.ensure_open()?;
        let now = Instant::now();
        self.shared.change(|queues| {
            for message in messages {
                queues.publish(message, now);
            }
        });
        Ok(())
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let mut consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.ensure_open()?;
        parked::start_at_zero(queue);
        let id = self.shared.with(|queues| queues.start(queue, prefetch));
        consumers.push(id);
        Ok(Box::new(InProcessConsumer {
            id,
            queue,
            shared: Arc::clone(&self.shared),
        }))
    }

    async fn ping(&self) -> Result<()> {
        self.ensure_open()
    }

    async fn depths(&self) -> Result<Vec<Depth>> {
        self.ensure_open()?;
        let now = Instant::now();
        Ok(self.shared.with(|queues| queues.depths(PREFIX, now)))
    }

    async fn close(&self) {
        let mut consumers = self
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::SeqCst);
        self.shared.change(|queues| {
            for id in consumers.drain(..) {
                queues.stop(id);
                queues.give_back(id);
            }
        });
    }
}

struct InProcessConsumer {
    id: u64,
    queue: Queue,
    shared: Arc<Shared>,
}

impl InProcessConsumer {
    fn delivery(&self, id: u64, message: super::Message, redelivered: bool) -> Delivery {
        let shared = Arc::clone(&self.shared);
        let queue = self.queue;
        let receipt = Receipt::new(move |verdict| {
            if verdict == Verdict::Park {
                parked::count(queue, Why::Refused);
            }
            shared.change(|queues| queues.end(id, verdict));
        });
        Delivery::new(message, redelivered, receipt)
    }
}

#[async_trait]
impl Consumer for InProcessConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            // Registers before it looks, so that no change in between is missed.
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            match self
                .shared
                .with(|queues| queues.take(self.id, Instant::now()))
            {
                Taken::Message {
                    id,
                    message,
                    redelivered,
                } => return Some(self.delivery(id, message, redelivered)),
                Taken::Stopped => return None,
                Taken::Nothing(None) => changed.await,
                Taken::Nothing(Some(due)) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    async fn stop(&mut self) {
        self.shared.change(|queues| queues.stop(self.id));
    }
}

impl Drop for InProcessConsumer {
    fn drop(&mut self) {
        self.shared.with(|queues| queues.forget(self.id));
    }
}
