//! The Broker: messages out, messages in.
//!
//! The traits here are the contract; [`rabbitmq`] and [`in_process`] fulfil it, and
//! `tests/broker_contract.rs` runs every sentence of it over both. A message only says "look at
//! this task now": one that is lost, late, doubled or out of order costs time, never money or a
//! task, because the database is the truth (`design.md`).
//!
//! | file | what it holds |
//! |---|---|
//! | [`message`] | the messages, as an operator reads them in the `RabbitMQ` UI |
//! | [`parking`] | messages that no worker can handle, as an operator looks at them |
//! | [`rabbitmq`] | queues that outlive us |
//! | [`in_process`] | queues that don't: after a restart the sweep fills them again |

pub mod in_process;
pub mod message;
mod parked;
pub mod parking;
pub mod rabbitmq;

use std::sync::Arc;

use async_trait::async_trait;

pub use message::Message;

use crate::task::wait::Rung;

/// What every method of the Broker returns.
pub type Result<T> = std::result::Result<T, BrokerError>;

/// A Broker that many hold.
pub type SharedBroker = Arc<dyn Broker>;

/// How often a message may come back to its queue before it goes to `<prefix>.parking`: it is
/// delivered once more than this at most.
pub const DELIVERY_LIMIT: u32 = 20;

/// The two queues that are worked on: `<prefix>.submit` and `<prefix>.poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Tasks to be submitted to an upstream.
    Submit,
    /// Tasks to be polled.
    Poll,
}

impl Queue {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Submit, Self::Poll];

    /// Its routing key, and the last part of its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Poll => "poll",
        }
    }
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// How long it waits before it is delivered; `None` for not at all.
    pub delay: Option<Rung>,
}

/// What can go wrong between us and the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It cannot be reached, or went away. Of a publish under way the outcome is not known:
    /// publishing again is safe.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// No queue took the message: the queue is missing or full, or the broker is short of memory or
    /// disk.
    #[error("the broker did not take a message: {0}")]
    NotTaken(String),
    /// It refused us: wrong credentials, no such virtual host, or a queue of ours exists with other
    /// arguments. Trying again does not help; somebody has to change something.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// It was closed by us.
    #[error("the broker was closed")]
    Closed,
}

/// A queue's name and figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Its whole name, `task.poll` say.
    pub queue: String,
    /// How many messages are ready in it.
    pub messages: u64,
}

impl Depth {
    /// Whether it is the queue of messages that no worker can handle.
    pub fn is_parking(&self) -> bool {
        self.queue.ends_with(".parking")
    }
}

/// Messages out, messages in.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Whether messages outlive this process.
    fn is_durable(&self) -> bool;

    /// Publishes all of `messages`, each confirmed. `Ok`: each is in a queue, durably if the broker
    /// is durable. `Err`: any number of them may be. Never waits longer than some seconds: while the
    /// broker is away this is an error, and the sweep makes up for it.
    async fn publish(&self, messages: &[Outgoing]) -> Result<()>;

    /// Starts to receive from `queue`, holding at most `prefetch` unacknowledged messages at a
    /// time. Goes on by itself, for ever, after the broker restarts, the channel closes, or the
    /// queue is deleted (which is then declared again).
    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>>;

    /// Whether the broker answers now.
    async fn ping(&self) -> Result<()>;

    /// How many messages each of our queues holds, the waiting and the parking ones included.
    async fn depths(&self) -> Result<Vec<Depth>>;

    /// Stops every consumer, waits for acknowledgements to be sent, and closes the connections.
    /// Messages that were delivered and not acknowledged go back to their queue.
    async fn close(&self);
}

/// Messages in.
#[async_trait]
pub trait Consumer: Send {
    /// The next message. `None`: the consumer was stopped, by [`Consumer::stop`] or
    /// [`Broker::close`]. Messages that no worker can read (not our JSON, another version) never
    /// come out here: they go to `<prefix>.parking`. Cancel-safe: a future that is dropped has not
    /// taken a message.
    async fn next(&mut self) -> Option<Delivery>;

    /// Takes no new messages. Those delivered can still be acknowledged.
    async fn stop(&mut self);
}

/// A message that was delivered. It must be ended by one of [`Delivery::ack`], [`Delivery::requeue`]
/// and [`Delivery::park`]; one that is dropped without is requeued.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Whether the broker may have delivered it before.
    pub redelivered: bool,
    receipt: Receipt,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done with; the queue forgets it.
    Ack,
    /// Not done; delivered again, up to the delivery limit.
    Requeue,
    /// Nobody can do it: to `<prefix>.parking`.
    Park,
}

/// Tells the consumer that a delivery came from how it ended, once.
pub(crate) struct Receipt(Option<Box<dyn FnOnce(Verdict) + Send>>);

impl Receipt {
    pub(crate) fn new(tell: impl FnOnce(Verdict) + Send + 'static) -> Self {
        Self(Some(Box::new(tell)))
    }

    fn tell(&mut self, verdict: Verdict) {
        if let Some(tell) = self.0.take() {
            tell(verdict);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.tell(Verdict::Requeue);
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt")
    }
}

impl Delivery {
    pub(crate) fn new(message: Message, redelivered: bool, receipt: Receipt) -> Self {
        Self {
            message,
            redelivered,
            receipt,
        }
    }

    /// It is done with. Does not wait: acknowledgements are sent in bulk, milliseconds later.
    pub fn ack(mut self) {
        self.receipt.tell(Verdict::Ack);
    }

    /// It is not done; the broker delivers it again, a bounded number of times, then parks it.
    pub fn requeue(mut self) {
        self.receipt.tell(Verdict::Requeue);
    }

    /// Nobody can do it: it goes to `<prefix>.parking`, where an operator sees it.
    pub fn park(mut self) {
        self.receipt.tell(Verdict::Park);
    }
}
