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

/// Counts one in `task_center_parked_messages_total`.
pub(super) fn count(queue: Queue, why: Why) {
    let reason = match why {
        Why::Unreadable => "unreadable",
        Why::Refused => "refused",
    };
    metrics::counter!("task_center_parked_messages_total", "queue" => queue.as_str(), "reason" => reason)
        .increment(1);
}
