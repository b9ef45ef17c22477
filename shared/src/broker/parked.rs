//! Counts the messages that this process sent to `<prefix>.parking`.

use super::Queue;

/// Why this process parked a message. Messages that the broker parks itself, past the delivery limit,
/// only show in the depth of the queue.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    /// The body is not a message of ours.
    Unreadable,
    /// A worker called [`super::Delivery::park`].
    Refused,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
        }
    }
}

/// Starts the counters of `queue` at 0.
pub(super) fn start_at_zero(queue: Queue) {
    for why in [Why::Unreadable, Why::Refused] {
        counter(queue, why).increment(0);
    }
}

/// Counts one message in `task_center_parked_messages_total`.
pub(super) fn count(queue: Queue, why: Why) {
    counter(queue, why).increment(1);
}

fn counter(queue: Queue, why: Why) -> metrics::Counter {
    metrics::counter!("task_center_parked_messages_total",
        "queue" => queue.as_str(), "reason" => why.as_str())
}
