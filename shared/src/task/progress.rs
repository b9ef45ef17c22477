//! From the upstream's answer to a percentage that never falls (`docs/contract.md`, "Listings").

use std::fmt;

use super::Status;

/// A task's progress in percent: 100 exactly if the task is terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress(u8);

impl Progress {
    /// 0 %.
    pub const NONE: Self = Self(0);
    /// 100 %: the task is terminal.
    pub const DONE: Self = Self(100);

    /// From a number of the database; `None` outside 0 to 100.
    pub fn from_percent(percent: i64) -> Option<Self> {
        u8::try_from(percent).ok().filter(|p| *p <= 100).map(Self)
    }

    /// The percentage.
    pub fn percent(self) -> u8 {
        self.0
    }

    /// The progress of a task that was at `self` and now has `status`. `reported` is the upstream's
    /// percentage, which not every upstream gives.
    #[must_use]
    pub fn advance(self, status: Status, reported: Option<u8>) -> Self {
        if status.is_terminal() {
            return Self::DONE;
        }
        let floor = match status {
            Status::NotStart => 0,
            Status::Submitted | Status::Unknown => 10,
            Status::Queued => 20,
            _ => 30,
        };
        Self(self.0.max(floor).max(reported.unwrap_or(0)).min(99))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_falls() {
        let at_60 = Progress(60);
        assert_eq!(at_60.advance(Status::InProgress, Some(40)), at_60);
        assert_eq!(at_60.advance(Status::Queued, None), at_60);
    }

    #[test]
    fn progress_is_100_exactly_when_the_task_is_terminal() {
        for (status, reported, percent) in [
            (Status::Failure, None, 100),
            (Status::Success, Some(7), 100),
            (Status::InProgress, Some(100), 99),
        ] {
            let progress = Progress::NONE.advance(status, reported);
            assert_eq!(progress.percent(), percent, "{status}");
        }
    }

    #[test]
    fn progress_prints_with_a_percent_sign() {
        assert_eq!(Progress::DONE.to_string(), "100%");
    }
}
