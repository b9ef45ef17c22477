//! How many submits a minute a channel gets: never more than `per_minute` in any 60 s.

use std::time::Duration;

use crate::clock::Millis;

const MINUTE: u64 = 60_000;

/// The pace of a channel's submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The most submits in 60 s; 0: no limit.
    pub per_minute: u32,
    /// From when on the next submit would be on time: earlier ones use up what may be sent at once.
    pub next_at: Millis,
}

impl Pace {
    /// How many submits may be sent together: a second's worth.
    fn at_once(self) -> u64 {
        u64::from(self.per_minute / 60).max(1)
    }

    /// The time between two submits. What is sent together counts: in 60 s there are at most `at_once` submits
    /// together and one for each of these times.
    fn between(self) -> u64 {
        let spread = u64::from(self.per_minute) - self.at_once() + 1;
        MINUTE.div_ceil(spread.max(1))
    }

    /// How many submits may be sent now; `None`: as many as there are.
    pub fn room(self, now: Millis) -> Option<u32> {
        if self.per_minute == 0 {
            return None;
        }
        let between = self.between();
        let at_once = Duration::from_millis(between * (self.at_once() - 1));
        let latest = now.after(at_once);
        if self.next_at > latest {
            return Some(0);
        }
        let since = self.next_at.max(now);
        let ahead = u64::try_from(latest.since(since).as_millis()).unwrap_or(0);
        u32::try_from(ahead / between + 1).ok()
    }

    /// The pace after `submits` that were sent now.
    #[must_use]
    pub fn after(self, submits: u32, now: Millis) -> Self {
        if self.per_minute == 0 {
            return self;
        }
        let wait = Duration::from_millis(self.between() * u64::from(submits));
        Self {
            next_at: self.next_at.max(now).after(wait),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When submits are sent that are sent as soon as they may be, in ten minutes.
    fn sent(per_minute: u32) -> Vec<i64> {
        let mut pace = Pace {
            per_minute,
            next_at: Millis(0),
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
            let most = sent
                .iter()
                .map(|from| sent.iter().filter(|at| (*from..*from + 60_000).contains(*at)).count())
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
            next_at: Millis(0),
        };
        assert_eq!(pace.room(Millis(5)), None);
        assert_eq!(pace.after(9, Millis(5)), pace);
    }
}
