//! From the upstream's answer to what becomes of the task: one pure function.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Progress, Status};
use crate::clock::Millis;
use crate::secret::SecretDigest;

/// An upstream's answer about one task, translated from its dialect.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The status; `None` for a status that we do not know: the task is unfinished then, not failed.
    pub status: Option<Status>,
    /// Why the task failed. Ignored unless the status is `FAILURE`.
    pub fail_reason: String,
    /// The progress in percent, if the upstream gives one.
    pub progress: Option<u8>,
    /// The result so far: an array of clips, or a lyrics object.
    pub data: Option<Box<RawValue>>,
    /// When the task ended, if the upstream says so.
    pub finish: Option<Finish>,
}

/// When a task ended, by the upstream's clock. Nothing is decided by that: it tells how long tasks take, and how late
/// we see their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// When.
    pub at: Millis,
    /// How long after the upstream accepted the task.
    pub took: Option<Duration>,
}

/// What we know about an unfinished task before a poll.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The status.
    pub status: Status,
    /// The progress.
    pub progress: Progress,
    /// The digest of the last observation, see [`Observation::digest`].
    pub digest: i64,
}

/// What becomes of a task.
#[derive(Debug, Clone)]
pub enum Step {
    /// Nothing new.
    Same,
    /// The task moved on or has more of a result. It is still unfinished.
    Moved {
        /// The new status.
        status: Status,
        /// The new progress.
        progress: Progress,
        /// The result so far.
        data: Option<Box<RawValue>>,
        /// The digest of the observation, by which the next equal one is recognised.
        digest: i64,
    },
    /// The music is made.
    Succeeded {
        /// The result.
        data: Option<Box<RawValue>>,
    },
    /// The task failed; its price must be given back.
    Failed {
        /// The upstream's reason, unchanged.
        reason: String,
        /// The part of a result that there is.
        data: Option<Box<RawValue>>,
    },
}

impl Observation {
    /// A number that changes if anything changes that we store of the observation.
    pub fn digest(&self) -> i64 {
        let status = self.status.map_or("", Status::as_str);
        let data = self.data.as_ref().map_or("", |data| data.get());
        SecretDigest::of(format!("{status}\n{:?}\n{data}", self.progress)).short()
    }

    /// What becomes of a task that was `known` before.
    pub fn step(self, known: Known) -> Step {
        match self.status {
            Some(Status::Success) => return Step::Succeeded { data: self.data },
            Some(Status::Failure) => {
                return Step::Failed {
                    reason: self.fail_reason,
                    data: self.data,
                };
            }
            _ => {}
        }
        let digest = self.digest();
        if digest == known.digest {
            return Step::Same;
        }
        let said = self.status.unwrap_or(Status::Unknown);
        let status = if known.status.may_become(said) {
            said
        } else {
            known.status
        };
        let progress = known.progress.advance(status, self.progress);
        Step::Moved {
            status,
            progress,
            data: self.data,
            digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(status: Option<Status>) -> Observation {
        Observation {
            status,
            fail_reason: "out of tune".to_owned(),
            progress: None,
            data: None,
            finish: None,
        }
    }

    fn known(status: Status) -> Known {
        Known {
            status,
            progress: Progress::NONE,
            digest: 0,
        }
    }

    #[test]
    fn a_task_moves_forward_and_neither_an_unknown_status_nor_a_reason_alone_fails_it() {
        use Status::{InProgress, Queued, Submitted, Unknown};
        for (before, said, after) in [
            (Submitted, None, Unknown),
            (InProgress, Some(Queued), InProgress),
            (Queued, Some(InProgress), InProgress),
        ] {
            let step = says(said).step(known(before));
            let moved = matches!(step, Step::Moved { status, .. } if status == after);
            assert!(moved, "{before}, then {said:?}");
        }
    }

    #[test]
    fn a_failure_takes_its_reason_along() {
        let step = says(Some(Status::Failure)).step(known(Status::Queued));
        assert!(matches!(step, Step::Failed { reason, .. } if reason == "out of tune"));
    }

    #[test]
    fn the_same_observation_again_is_nothing_new() {
        let first = says(Some(Status::Queued));
        let seen = Known {
            digest: first.digest(),
            ..known(Status::Queued)
        };
        assert!(matches!(says(Some(Status::Queued)).step(seen), Step::Same));
    }

    #[test]
    fn more_of_a_result_is_news_even_in_the_same_status() {
        let mut more = says(Some(Status::InProgress));
        let seen = Known {
            digest: more.digest(),
            ..known(Status::InProgress)
        };
        more.data = Some(RawValue::from_string("[1]".to_owned()).expect("it is JSON"));
        assert!(matches!(more.step(seen), Step::Moved { .. }));
    }
}
