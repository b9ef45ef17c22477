//! How a task ends.

use super::{ChannelId, Status};

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The music is made.
    Success,
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
            Self::Success => Status::Success,
            Self::Failure { .. } => Status::Failure,
        }
    }

    /// `fail_reason` of the task: empty for a success.
    pub fn reason(&self) -> &str {
        match self {
            Self::Success => "",
            Self::Failure { reason, .. } => reason,
        }
    }

    /// The channel that refused the task.
    pub fn refused_by(&self) -> Option<ChannelId> {
        match self {
            Self::Success => None,
            Self::Failure { channel, .. } => *channel,
        }
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
