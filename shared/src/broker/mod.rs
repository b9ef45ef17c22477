//! The Broker: messages out, messages in.
//!
//! The traits here are the contract. `tests/broker_contract/` has a test for each sentence, and runs it
//! over both implementations, [`rabbitmq`] and [`in_process`]. A message only says "look at this task
//! now". A message that is lost, late, doubled or out of order costs time, but never money or a task,
//! because the database is the truth (`docs/design.md`).
//!
//! | file | what it holds |
//! |---|---|
//! | [`message`] | the messages, and their JSON |
//! | [`parking`] | messages that no worker can handle, as an operator sees them |
//! | [`rabbitmq`] | queues that outlive the process |
//! | [`in_process`] | queues in the process: after a restart the sweep fills them again |

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

/// A Broker with many owners.
pub type SharedBroker = Arc<dyn Broker>;

/// How often a message may return to its queue; the next return sends it to `<prefix>.parking`. So it is
/// delivered at most once more than this.
pub const DELIVERY_LIMIT: u32 = 20;

/// The two work queues: `<prefix>.submit` and `<prefix>.poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Tasks to be submitted to an upstream.
    Submit,
    /// Tasks to be polled.
    Poll,
}

impl Queue {
    /// Both queues.
    pub const ALL: [Self; 2] = [Self::Submit, Self::Poll];

    /// The routing key, and the last part of the queue's name.
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
    /// How long the message waits before it is delivered; `None` for no wait.
    pub delay: Option<Rung>,
}

/// What can go wrong between us and the broker.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// The broker cannot be reached, or the connection was lost. The outcome of a publish under way is
    /// unknown; to publish again is safe.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// The broker takes no message now: it is short of this, `memory` or `disk`.
    #[error("the broker takes no messages: it is short of {0}")]
    Blocked(String),
    /// No queue took the message: the queue is missing or full.
    #[error("the broker did not take a message: {0}")]
    NotTaken(String),
    /// The broker refused: wrong credentials, no such virtual host, or a queue of ours exists with other
    /// arguments. A retry does not help; an operator must change something.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// This process closed the broker.
    #[error("the broker was closed")]
    Closed,
}

/// A queue and how many messages it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// The whole name, such as `task.poll`.
    pub queue: String,
    /// How many messages are ready.
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

    /// Waits for the first try to connect. `Err`: that try, or the last one since, failed; the broker tries again
    /// by itself.
    async fn start(&self) -> Result<()>;

    /// Publishes all of `messages`, each confirmed. `Ok`: each is in a queue, durably if the broker is
    /// durable. `Err`: any number of them may be in a queue. Takes a few seconds at most: while the broker
    /// is away it fails, and the sweep publishes again later.
    async fn publish(&self, messages: &[Outgoing]) -> Result<()>;

    /// Starts to receive from `queue`, with at most `prefetch` unacknowledged messages at a time. The
    /// consumer recovers by itself when the broker restarts, the channel closes, or the queue is deleted
    /// (which is then declared again).
    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>>;

    /// Whether the broker answers now.
    async fn ping(&self) -> Result<()>;

    /// How many messages each of our queues holds, including the waiting queues and the parking queue.
    async fn depths(&self) -> Result<Vec<Depth>>;

    /// Stops every consumer, waits for acknowledgements to be sent, and closes the connections.
    /// Messages that were delivered and not acknowledged go back to their queue.
    async fn close(&self);
}

/// Messages in.
#[async_trait]
pub trait Consumer: Send {
    /// The next message. `None`: the consumer was stopped, by [`Consumer::stop`] or [`Broker::close`].
    /// Messages that no worker can read (not our JSON, another version) go to `<prefix>.parking` and are
    /// never returned here. Cancel-safe: a future that is dropped has not taken a message.
    async fn next(&mut self) -> Option<Delivery>;

    /// Takes no new messages. Delivered messages can still be acknowledged.
    async fn stop(&mut self);
}

/// A message that was delivered, until [`Delivery::ack`], [`Delivery::requeue`] or [`Delivery::park`]
/// settles it. A delivery that is dropped is requeued.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Whether the broker may have delivered it before.
    pub redelivered: bool,
    receipt: Receipt,
}

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done: the queue deletes the message.
    Ack,
    /// Not done: the message is delivered again, up to the delivery limit.
    Requeue,
    /// No worker can do it: the message goes to `<prefix>.parking`.
    Park,
}

/// Reports a delivery's verdict to its consumer, once.
pub(crate) struct Receipt(Option<Box<dyn FnOnce(Verdict) + Send>>);

impl Receipt {
    pub(crate) fn new(report: impl FnOnce(Verdict) + Send + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(report) = self.0.take() {
            report(verdict);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.settle(Verdict::Requeue);
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

    /// The message is done. Does not wait: acknowledgements are sent in batches, milliseconds later.
    pub fn ack(mut self) {
        self.receipt.settle(Verdict::Ack);
    }

    /// The message is not done: the broker delivers it again, a bounded number of times, then parks it.
    pub fn requeue(mut self) {
        self.receipt.settle(Verdict::Requeue);
    }

    /// No worker can do the message: it goes to `<prefix>.parking`, where an operator sees it.
    pub fn park(mut self) {
        self.receipt.settle(Verdict::Park);
    }
}
