//! How much of what was sent to a channel of late ended badly: a 5xx, or no answer. One request that fails says
//! nothing of its channel, as the request may be at fault; a channel of which most requests fail is in trouble.

use std::time::Duration;

use crate::clock::Millis;

/// A submit weighs half as much after this time.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// With fewer failures than this, in thousandths, a channel is not in trouble.
const FEWEST: u64 = 4_500;
/// What one submit weighs when it ends.
const ONE: u64 = 1_000;

/// How many submits of late ended well and badly, in thousandths, as of `at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// Those that were answered: accepted, or refused for what they were.
    pub good: u64,
    /// Those that ended in a 5xx or without an answer.
    pub bad: u64,
    /// The time of the numbers.
    pub at: Millis,
}

impl Recent {
    /// The numbers at `now`.
    fn faded(self, now: Millis) -> Self {
        let age = now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let left = 0.5_f64.powf(age);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the numbers are small and not negative"
        )]
        let fade = |number: u64| (number as f64 * left) as u64;
        Self {
            good: fade(self.good),
            bad: fade(self.bad),
            at: now,
        }
    }

    /// The numbers after more submits ended.
    #[must_use]
    pub fn and(self, good: u32, bad: u32, now: Millis) -> Self {
        let faded = self.faded(now);
        Self {
            good: faded.good + u64::from(good) * ONE,
            bad: faded.bad + u64::from(bad) * ONE,
            at: now,
        }
    }

    /// The numbers without one failure that was the request's fault: it failed elsewhere, too.
    #[must_use]
    pub fn without_one(self, now: Millis) -> Self {
        let faded = self.faded(now);
        Self {
            bad: faded.bad.saturating_sub(ONE),
            ..faded
        }
    }

    /// Whether the channel is in trouble: at least five failures of late, and half of all submits.
    pub fn is_trouble(self) -> bool {
        self.bad >= FEWEST && self.bad >= self.good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_few_requests_that_always_fail_are_no_trouble_of_the_channel() {
        let mut recent = Recent::default();
        for second in 0..600 {
            let now = NOW.after(Duration::from_secs(second));
            recent = recent.and(38, 2, now);
            assert!(!recent.is_trouble());
        }
    }

    #[test]
    fn five_failures_and_nothing_else_are_trouble() {
        let four = Recent::default().and(0, 4, NOW);
        assert!(!four.is_trouble());
        assert!(four.and(0, 1, NOW).is_trouble());
        let soon = NOW.after(Duration::from_secs(2));
        assert!(four.and(0, 1, soon).is_trouble());
        let late = NOW.after(Duration::from_mins(2));
        assert!(!four.and(0, 1, late).is_trouble(), "they are long ago");
    }

    #[test]
    fn an_upstream_that_dies_is_noticed_although_it_was_well() {
        let well = Recent::default().and(100, 0, NOW);
        let soon = NOW.after(Duration::from_secs(30));
        assert!(!well.and(0, 40, soon).is_trouble());
        assert!(well.and(0, 60, soon).is_trouble());
    }

    #[test]
    fn a_request_that_fails_elsewhere_too_is_taken_back() {
        let five = Recent::default().and(0, 5, NOW);
        assert!(five.is_trouble() && !five.without_one(NOW).is_trouble());
    }
}
