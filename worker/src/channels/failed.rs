//! Fetches about one task that failed: is the task wrong, or its channel?

use std::collections::HashSet;
use std::time::Duration;

use shared::clock::Millis;

/// The most tasks whose fetches may fail in a row while it is open whether the channel is in trouble.
const MOST_TASKS: usize = 2;

/// How often the log tells that fetches about single tasks fail.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// The fetches of this worker at one channel that failed since the channel last answered one.
#[derive(Debug, Default)]
pub struct FailedFetches {
    tasks: HashSet<String>,
    told_at: Option<Millis>,
}

/// What the failed fetch about a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// More tasks failed in a row than may be wrong by chance: the channel is in trouble.
    OfChannel,
    /// The task may be what is wrong.
    OfTask {
        /// Whether the log is to tell it.
        is_news: bool,
    },
}

impl FailedFetches {
    /// The channel answered a fetch.
    pub fn answered(&mut self) {
        self.tasks.clear();
    }

    /// A fetch about this task failed.
    pub fn failed(&mut self, upstream_id: &str, now: Millis) -> Meaning {
        if !self.tasks.contains(upstream_id) {
            if self.tasks.len() >= MOST_TASKS {
                return Meaning::OfChannel;
            }
            self.tasks.insert(upstream_id.to_owned());
        }
        let is_news = self
            .told_at
            .is_none_or(|told| now.since(told) >= TOLD_EVERY);
        if is_news {
            self.told_at = Some(now);
        }
        Meaning::OfTask { is_news }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_fails_all_the_time_says_nothing_of_its_channel_and_three_do() {
        let mut failed = FailedFetches::default();
        let at = |seconds: i64| Millis(seconds * 1_000);
        assert_eq!(failed.failed("a", at(0)), Meaning::OfTask { is_news: true });
        let again = Meaning::OfTask { is_news: false };
        for second in 1..60 {
            assert_eq!(failed.failed("a", at(second)), again);
        }
        assert_eq!(
            failed.failed("b", at(60)),
            Meaning::OfTask { is_news: true }
        );
        assert_eq!(failed.failed("c", at(60)), Meaning::OfChannel);
        assert_eq!(failed.failed("d", at(60)), Meaning::OfChannel);
        failed.answered();
        for task in ["c", "d"] {
            assert_eq!(failed.failed(task, at(61)), again);
        }
        assert_eq!(failed.failed("a", at(61)), Meaning::OfChannel);
    }
}
