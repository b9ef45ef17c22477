//! The ladder of delays, and when a task is polled or tried next (`docs/life-of-a-task.md`, "Polling").

use std::time::Duration;

/// A delay. Each is one waiting queue of the broker, because all messages of a queue wait equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rung(u64);

impl Rung {
    /// Every rung in seconds: close together in the range of polls, wide apart above.
    pub const LADDER: [Self; 20] = [
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(8),
        Self(10),
        Self(12),
        Self(15),
        Self(20),
        Self(24),
        Self(28),
        Self(30),
        Self(40),
        Self(50),
        Self(60),
        Self(120),
        Self(180),
        Self(300),
    ];
    /// The shortest.
    pub const SHORTEST: Self = Self::LADDER[0];
    /// The longest.
    pub const LONGEST: Self = Self::LADDER[Self::LADDER.len() - 1];

    /// The rung in whole seconds, as in the name of its waiting queue.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// The rung as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// The shortest rung that is at least `wait`, or else the longest rung: for a wait that must not end
    /// early, such as a cool-down.
    pub fn at_least(wait: Duration) -> Self {
        Self::LADDER
            .into_iter()
            .find(|rung| rung.duration() >= wait)
            .unwrap_or(Self::LONGEST)
    }

    /// The rung nearest to `wait`.
    pub fn nearest(wait: Duration) -> Self {
        Self::LADDER
            .into_iter()
            .min_by_key(|rung| rung.duration().abs_diff(wait))
            .unwrap_or(Self::LONGEST)
    }

    /// The longest rung that is at most `wait`, or else the shortest rung.
    pub fn at_most(wait: Duration) -> Self {
        Self::LADDER
            .into_iter()
            .rev()
            .find(|rung| rung.duration() <= wait)
            .unwrap_or(Self::SHORTEST)
    }
}

/// How often an operator wants tasks to be polled. [`crate::task::looks`] says when they are.
#[derive(Debug, Clone, Copy)]
pub struct PollPace {
    /// The delay before the first poll.
    pub initial: Duration,
    /// The longest time between two polls, if the channel allows as many.
    pub max: Duration,
}

/// The delay before the next try of a submit after `attempts` (from 1) that surely did not arrive: 5 s,
/// 30 s, 2 min, then 5 min each, so that five attempts outlast an outage of some minutes.
pub fn retry_rung(attempts: u32) -> Rung {
    match attempts {
        0 | 1 => Rung(5),
        2 => Rung(30),
        3 => Rung(120),
        _ => Rung::LONGEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_rounds_to_a_rung_of_the_ladder() {
        assert_eq!(Rung::at_least(Duration::from_millis(6001)).seconds(), 8);
        assert_eq!(Rung::nearest(Duration::from_millis(6900)).seconds(), 6);
        assert_eq!(Rung::at_most(Duration::from_secs(29)).seconds(), 28);
        assert_eq!(Rung::at_least(Duration::from_hours(3)), Rung::LONGEST);
        assert_eq!(Rung::at_most(Duration::ZERO), Rung::SHORTEST);
    }

    #[test]
    fn five_attempts_outlast_an_outage_of_minutes() {
        let all: u64 = (1..5).map(|n| retry_rung(n).seconds()).sum();
        assert!(all > 300);
    }
}
