//! The seven statuses and their transitions (`docs/life-of-a-task.md`, "States").

use std::fmt;
use std::str::FromStr;

/// A task's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Paid, not yet at the upstream.
    NotStart,
    /// Accepted by the upstream.
    Submitted,
    /// The upstream gave a status that we do not know. The task is unfinished, not failed.
    Unknown,
    /// Waiting at the upstream.
    Queued,
    /// Being made.
    InProgress,
    /// Made. Final.
    Success,
    /// Not made, and refunded. Final.
    Failure,
}

impl Status {
    /// Every status, in the order of `docs/task-center-api.zh.md`.
    pub const ALL: [Self; 7] = [
        Self::NotStart,
        Self::Submitted,
        Self::Queued,
        Self::InProgress,
        Self::Failure,
        Self::Success,
        Self::Unknown,
    ];

    /// The name in the API, in the database and upstream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStart => "NOT_START",
            Self::Submitted => "SUBMITTED",
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether the status is final.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failure)
    }

    /// Unfinished statuses only move forward in rank. `Unknown` ranks right above `Submitted`, so a task
    /// that is known to be queued or in progress keeps that status.
    fn rank(self) -> u8 {
        match self {
            Self::NotStart => 0,
            Self::Submitted => 1,
            Self::Unknown => 2,
            Self::Queued => 3,
            Self::InProgress => 4,
            Self::Success | Self::Failure => 5,
        }
    }

    /// Whether a task may go from this status to `next`: only forward, and never from a final status.
    pub fn may_become(self, next: Self) -> bool {
        !self.is_terminal() && next.rank() > self.rank()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not one of the seven statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a status is one of NOT_START, SUBMITTED, QUEUED, IN_PROGRESS, FAILURE, SUCCESS, UNKNOWN")]
pub struct NotAStatus;

impl FromStr for Status {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or(NotAStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_statuses_moves_as_the_table_says() {
        use Status::{Failure, InProgress, NotStart, Queued, Submitted, Success, Unknown};
        let order = [
            NotStart, Submitted, Unknown, Queued, InProgress, Success, Failure,
        ];
        // Rows: from. Columns: to. In the order above.
        let table = [
            [0, 1, 1, 1, 1, 1, 1],
            [0, 0, 1, 1, 1, 1, 1],
            [0, 0, 0, 1, 1, 1, 1],
            [0, 0, 0, 0, 1, 1, 1],
            [0, 0, 0, 0, 0, 1, 1],
            [0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0],
        ];
        for (from, row) in order.into_iter().zip(table) {
            for (to, allowed) in order.into_iter().zip(row) {
                assert_eq!(from.may_become(to), allowed == 1, "{from} to {to}");
            }
        }
    }

    #[test]
    fn names_read_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("success".parse::<Status>(), Err(NotAStatus));
    }
}
