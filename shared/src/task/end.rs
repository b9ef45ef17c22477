//! How a task ends.

use super::{ChannelId, Status};

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The music is made.
    Success,
    /// The music came in the answer to the submit: the channel accepted the task and finished it at once.
    SuccessAtOnce {
        /// The channel.
        channel: ChannelId,
        /// The upstream's id of the task; empty if it gave none.
        upstream_id: String,
    },
    /// The music is not made. The price goes back in the same transaction.
    Failure {
        /// Why, in words that the client may see.
        reason: String,
        /// The channel that refused the task, if no channel had accepted it before.
        channel: Option<ChannelId>,
        /// Whether we gave the task up at its deadline while its upstream may still make it. Such a task
        /// is looked at again: see [`super::late`].
        given_up: bool,
    },
}

impl End {
    /// The task's last status.
    pub fn status(&self) -> Status {
        match self {
            Self::Success | Self::SuccessAtOnce { .. } => Status::Success,
            Self::Failure { .. } => Status::Failure,
        }
    }

    /// `fail_reason` of the task: empty for a success.
    pub fn reason(&self) -> &str {
        match self {
            Self::Success | Self::SuccessAtOnce { .. } => "",
            Self::Failure { reason, .. } => reason,
        }
    }

    /// The channel that refused the task, or finished it at once.
    pub fn answered_by(&self) -> Option<ChannelId> {
        match self {
            Self::Success => None,
            Self::SuccessAtOnce { channel, .. } => Some(*channel),
            Self::Failure { channel, .. } => *channel,
        }
    }

    /// The upstream's id of a task that was finished at once.
    pub fn upstream_id(&self) -> Option<&str> {
        match self {
            Self::SuccessAtOnce { upstream_id, .. } => Some(upstream_id),
            Self::Success | Self::Failure { .. } => None,
        }
    }

    /// Whether the task was accepted in the moment in which it ended.
    pub fn is_at_once(&self) -> bool {
        matches!(self, Self::SuccessAtOnce { .. })
    }

    /// Whether the price is given back: after each failure, and only then.
    pub fn is_refunded(&self) -> bool {
        matches!(self, Self::Failure { .. })
    }

    /// Whether the task was given up while its upstream may still make it.
    pub fn is_given_up(&self) -> bool {
        matches!(self, Self::Failure { given_up: true, .. })
    }
}
