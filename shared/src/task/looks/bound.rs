//! How many calls a second a channel gets, over all workers together: as many as are set, but for a while fewer after a
//! 429 or a slow answer.

use std::time::Duration;

use crate::clock::Millis;

/// A call a second, in the numbers that are kept.
const ONE: i64 = 1_000;
/// Fewer calls than this are never made: one in five seconds.
const FEWEST: i64 = ONE / 5;
/// What is left of the bound after a refusal: so much of 100.
const LEFT: i64 = 80;
/// What one refusal changes counts for the others of this time: they were under way together.
const TOGETHER: Duration = Duration::from_secs(2);
/// How long a lowered bound is held before it grows; twice as long after each refusal in a row, up to [`LONGEST_HOLD`].
const HOLD: Duration = Duration::from_secs(15);
/// The longest hold.
const LONGEST_HOLD: Duration = Duration::from_mins(2);
/// By how much a lowered bound grows in a second.
const GROWTH: f64 = 1.02;
/// How much longer the time between two calls is than the bound says, so that calls that come late and then on time are
/// never too many.
const SPARE: f64 = 1.03;

/// The bound of a channel's calls, as the database keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallBound {
    /// How many calls a second in thousandths it was lowered to, at `lowered_at`; 0: it was not.
    pub lowered: i64,
    /// When it was lowered last.
    pub lowered_at: Millis,
    /// How often in a row it was lowered.
    pub refusals: u32,
    /// From when on the next call is on time, in Unix milliseconds.
    pub next_at: Millis,
}

impl CallBound {
    /// How many calls a second there may be now, in thousandths; `set`: how many at most.
    pub fn in_force(self, set: u32, now: Millis) -> i64 {
        let set = i64::from(set) * ONE;
        if self.lowered == 0 {
            return set;
        }
        let held = self.lowered_at.after(self.hold());
        let over = i32::try_from(now.since(held).as_secs()).unwrap_or(i32::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a bound is a small number"
        )]
        let bound = (self.lowered as f64 * GROWTH.powi(over)).min(set as f64) as i64;
        bound
    }

    fn hold(self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.refusals.saturating_sub(1));
        HOLD.saturating_mul(doubled).min(LONGEST_HOLD)
    }

    /// The bound after a call that was refused for how many there are, or answered slowly.
    #[must_use]
    pub fn refused(self, set: u32, now: Millis) -> Self {
        if self.lowered > 0 && now.since(self.lowered_at) < TOGETHER {
            return self;
        }
        let in_force = self.in_force(set, now);
        let was_whole = in_force >= i64::from(set) * ONE;
        Self {
            lowered: (in_force * LEFT / 100).max(FEWEST),
            lowered_at: now,
            refusals: if was_whole {
                1
            } else {
                self.refusals.saturating_add(1)
            },
            next_at: self.next_at,
        }
    }

    /// Reserves calls: as many of `wanted` as there may be in a second, and one at least. Returns the moments from
    /// which on they may be made.
    pub fn reserve(&mut self, set: u32, wanted: u32, now: Millis) -> Vec<Millis> {
        let in_force = self.in_force(set, now).max(FEWEST);
        let in_a_second = u32::try_from(in_force / ONE).unwrap_or(u32::MAX);
        let calls = wanted.min(in_a_second).max(1);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a bound is a small number"
        )]
        let between = ((ONE * 1_000) as f64 / in_force as f64 * SPARE).ceil() as i64;
        let first = self.next_at.max(now);
        self.next_at = Millis(first.0 + i64::from(calls) * between);
        let moment = |nth: u32| Millis(first.0 + i64::from(nth) * between);
        (0..calls).map(moment).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    /// An upstream that takes `most` calls in any second.
    struct Upstream {
        most: usize,
        calls: Vec<i64>,
        refused: usize,
    }

    impl Upstream {
        fn takes(&mut self, at: i64) -> bool {
            let lately = self
                .calls
                .iter()
                .rev()
                .take_while(|call| **call > at - 1_000);
            let takes = lately.count() < self.most;
            if takes {
                self.calls.push(at);
            } else {
                self.refused += 1;
            }
            takes
        }
    }

    /// As many calls as may be made, until `seconds` are over.
    fn call(bound: &mut CallBound, upstream: &mut Upstream, from: Millis, seconds: i64) -> usize {
        let (mut now, mut made) = (from, 0);
        while now.0 < from.0 + seconds * 1_000 {
            for at in bound.reserve(5, 9, now) {
                now = at;
                made += 1;
                if !upstream.takes(now.0) {
                    *bound = bound.refused(5, now);
                }
            }
        }
        made
    }

    #[test]
    fn in_any_ten_seconds_there_are_no_more_calls_than_ten_times_the_bound() {
        for set in [1, 2, 5, 50] {
            let mut bound = CallBound::default();
            let (mut now, mut calls) = (NOW, Vec::new());
            while now < NOW.after(Duration::from_mins(2)) {
                let reserved = bound.reserve(set, 7, now);
                now = reserved.last().copied().unwrap_or(now);
                // A call may come a fifth of a second late.
                calls.extend(reserved.iter().map(|at| at.0 + at.0 % 7 * 200 / 6));
            }
            calls.sort_unstable();
            let most = calls.iter().map(|from| {
                let window = calls
                    .iter()
                    .filter(|at| (*from..from + 10_000).contains(*at));
                window.count()
            });
            let most = most.max().unwrap_or(0);
            let bound = usize::try_from(set * 10).unwrap_or(0);
            assert!(
                most <= bound && most * 100 >= bound * 90,
                "{most} of {bound}"
            );
        }
    }

    #[test]
    fn an_upstream_that_takes_two_calls_a_second_refuses_few() {
        let mut bound = CallBound::default();
        let mut upstream = Upstream {
            most: 2,
            calls: Vec::new(),
            refused: 0,
        };
        let made = call(&mut bound, &mut upstream, NOW, 600);
        let refused = upstream.refused;
        assert!(refused * 20 <= made, "{refused} of {made}");
        assert!(
            upstream.calls.len() * 10 >= 8 * 1_200,
            "{}",
            upstream.calls.len()
        );
        // The upstream takes more again.
        upstream.most = 100;
        let later = NOW.after(Duration::from_mins(10));
        call(&mut bound, &mut upstream, later, 300);
        let now = later.after(Duration::from_mins(5));
        assert_eq!(bound.in_force(5, now), 5_000);
    }

    #[test]
    fn refusals_that_come_together_count_once() {
        let bound = CallBound::default().refused(8, NOW);
        assert_eq!(bound.in_force(8, NOW), 6_400);
        assert_eq!(bound.refused(8, NOW.after(Duration::from_secs(1))), bound);
        let again = bound.refused(8, NOW.after(Duration::from_secs(3)));
        assert_eq!(again.lowered, 5_120);
    }
}
