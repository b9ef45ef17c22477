//! How many submits a minute a channel gets: never more than `per_minute` in any 60 s.

use crate::clock::Millis;

/// In microseconds.
const MINUTE: i64 = 60_000_000;

/// The pace of a channel's submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The most submits in 60 s; 0: no limit.
    pub per_minute: u32,
    /// From when on the next submit is on time, in Unix microseconds. Submits may be up to a second early.
    pub next_at: i64,
}

impl Pace {
    /// How many submits may be sent together: a second's worth.
    fn at_once(self) -> i64 {
        i64::from(self.per_minute / 60).max(1)
    }

    /// The time between two submits. What is sent together counts: in 60 s there are at most `at_once` submits
    /// together and one for each of these times.
    fn between(self) -> i64 {
        let spread = (i64::from(self.per_minute) - self.at_once() + 1).max(1);
        MINUTE / spread + i64::from(MINUTE % spread > 0)
    }

    /// How many submits may be sent now; `None`: as many as there are.
    pub fn room(self, now: Millis) -> Option<u32> {
        if self.per_minute == 0 {
            return None;
        }
        let now = micros(now);
        let latest = now + self.between() * (self.at_once() - 1);
        if self.next_at > latest {
            return Some(0);
        }
        let room = (latest - self.next_at.max(now)) / self.between() + 1;
        Some(u32::try_from(room).unwrap_or(u32::MAX))
    }

    /// The pace after `submits` that were sent now.
    #[must_use]
    pub fn after(self, submits: u32, now: Millis) -> Self {
        if self.per_minute == 0 {
            return self;
        }
        Self {
            next_at: self.next_at.max(micros(now)) + self.between() * i64::from(submits),
            ..self
        }
    }
}

fn micros(moment: Millis) -> i64 {
    moment.0.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When submits are sent that are sent as soon as they may be, in ten minutes.
    fn sent(per_minute: u32) -> Vec<i64> {
        let mut pace = Pace {
            per_minute,
            next_at: 0,
        };
        let mut sent = Vec::new();
        for now in (1_000_000..1_600_000).step_by(50).map(Millis) {
            let room = pace.room(now).expect("there is a limit");
            sent.extend((0..room).map(|_| now.0));
            pace = pace.after(room, now);
        }
        sent
    }

    #[test]
    fn no_minute_has_more_and_hardly_any_has_fewer() {
        for per_minute in [1, 2, 7, 60, 90, 600, 6000] {
            let sent = sent(per_minute);
            let most = (0..sent.len())
                .map(|first| sent[first..].partition_point(|at| *at < sent[first] + 60_000))
                .max();
            let most = most.expect("some are sent");
            assert!(most <= per_minute as usize, "{per_minute}: {most}");
            let fewest = per_minute as usize * 10 * 95 / 100;
            assert!(sent.len() >= fewest, "{per_minute}: {}", sent.len());
        }
    }

    #[test]
    fn without_a_limit_all_may_go() {
        let pace = Pace {
            per_minute: 0,
            next_at: 0,
        };
        assert_eq!(pace.room(Millis(5)), None);
        assert_eq!(pace.after(9, Millis(5)), pace);
    }
}
