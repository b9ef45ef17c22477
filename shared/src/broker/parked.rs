//! The figure of messages that we sent to `<prefix>.parking`: each is for an operator to look at.

use super::Queue;

/// Why a message was parked by us. What the broker parks by itself, past the delivery limit, shows
/// in the depth of the queue only.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    /// It does not read as a message of ours.
    Unreadable,
    /// A worker said that nobody can do it.
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

/// Makes the figure start at 0, for whoever consumes from `queue`.
pub(super) fn start_at_zero(queue: Queue) {
    for why in [Why::Unreadable, Why::Refused] {
        counter(queue, why).increment(0);
    }
}

/// Counts one in `task_center_parked_messages_total`.
pub(super) fn count(queue: Queue, why: Why) {
    counter(queue, why).increment(1);
}

fn counter(queue: Queue, why: Why) -> metrics::Counter {
    metrics::counter!("task_center_parked_messages_total",
        "queue" => queue.as_str(), "reason" => why.as_str())
}
