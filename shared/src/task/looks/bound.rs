//! How many calls a second a channel gets, over all workers together: as many as are set, but for a while fewer after a
//! 429 or a slow answer.

use std::time::Duration;

use crate::clock::Millis;

/// A call a second, in the numbers that are kept.
const ONE: i64 = 1_000;
/// Fewer calls than this are never made: one in five seconds.
const FEWEST: i64 = ONE / 5;
/// What a refusal leaves of the bound, in percent.
const LEFT: i64 = 85;
/// What a refusal leaves of a bound that has not [`HELD`]: the upstream takes far fewer calls.
const LEFT_OF_FAR: i64 = 50;
/// How long a bound must have held to be near what the upstream takes.
const HELD: Duration = Duration::from_secs(10);
/// What one refusal changes counts for the others of this time: they were under way together.
const TOGETHER: Duration = Duration::from_secs(2);
/// How long a lowered bound takes to be again where it was refused, s.
const BACK: f64 = 90.0;
/// How long the bound then takes to be as far above as it was below, s.
const ABOVE: f64 = 20.0;
/// How much longer the time between two calls is than the bound says, so that calls that come late and then on time are
/// never too many.
const SPARE: f64 = 1.03;

/// The bound of a channel's calls, as the database keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallBound {
    /// How many calls a second in thousandths were refused, at `refused_at`; 0: none ever were.
    pub refused: i64,
    /// What the refusal left of the bound: calls a second, in thousandths.
    pub lowered: i64,
    /// When the bound was lowered last.
    pub refused_at: Millis,
    /// From when on the next call is on time, in Unix milliseconds.
    pub next_at: Millis,
}

impl CallBound {
    /// How many calls a second there may be now, in thousandths; `set`: how many at most.
    ///
    /// A lowered bound follows a cubic curve. The bound grows fast at first, then slowly while it is near the number that
    /// was refused, and then ever faster. So most calls are near what the upstream takes, and few are above.
    pub fn in_force(self, set: u32, now: Millis) -> i64 {
        let set = (i64::from(set) * ONE).max(FEWEST);
        if self.refused == 0 {
            return set;
        }
        let after = now.since(self.refused_at).as_secs_f64() - BACK;
        let part = after / if after < 0.0 { BACK } else { ABOVE };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a bound is a small number"
        )]
        let above = ((self.refused - self.lowered) as f64 * part.powi(3)) as i64;
        self.refused.saturating_add(above).clamp(FEWEST, set)
    }

    /// The bound after a call that was refused for how many there are, or answered slowly.
    #[must_use]
    pub fn refused(self, set: u32, now: Millis) -> Self {
        let lowered_ago = now.since(self.refused_at);
        if self.refused > 0 && lowered_ago < TOGETHER {
            return self;
        }
        let refused = self.in_force(set, now);
        let is_far = self.refused > 0 && lowered_ago < HELD;
        let left = if is_far { LEFT_OF_FAR } else { LEFT };
        Self {
            refused,
            lowered: refused * left / 100,
            refused_at: now,
            next_at: self.next_at,
        }
    }

    /// Reserves calls: as many of `wanted` as there may be in a second, and one at least. Returns the moments from
    /// which on they may be made.
    pub fn reserve(&mut self, set: u32, wanted: u32, now: Millis) -> Vec<Millis> {
        let in_force = self.in_force(set, now);
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
        fn taking(most: usize) -> Self {
            Self {
                most,
                calls: Vec::new(),
                refused: 0,
            }
        }

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
    fn call(
        (bound, set): (&mut CallBound, u32),
        upstream: &mut Upstream,
        from: Millis,
        seconds: i64,
    ) {
        let mut now = from;
        while now.0 < from.0 + seconds * 1_000 {
            for at in bound.reserve(set, 9, now) {
                now = at;
                if !upstream.takes(now.0) {
                    *bound = bound.refused(set, now);
                }
            }
        }
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
    fn most_of_what_an_upstream_takes_is_used_and_few_calls_are_refused() {
        for most in [1, 2, 4] {
            let mut bound = CallBound::default();
            let mut upstream = Upstream::taking(most);
            call((&mut bound, 5), &mut upstream, NOW, 600);
            let (taken, refused) = (upstream.calls.len(), upstream.refused);
            assert!(refused * 20 <= taken, "{most}: {refused} beside {taken}");
            assert!(taken * 100 >= 85 * 600 * most, "{most}: {taken}");
            // The upstream takes more again.
            upstream.most = 100;
            let later = NOW.after(Duration::from_mins(10));
            call((&mut bound, 5), &mut upstream, later, 240);
            let now = later.after(Duration::from_mins(4));
            assert_eq!(bound.in_force(5, now), 5_000, "{most}");
        }
    }

    #[test]
    fn a_bound_that_is_set_far_too_high_comes_down_within_seconds() {
        let mut bound = CallBound::default();
        let mut upstream = Upstream::taking(2);
        call((&mut bound, 50), &mut upstream, NOW, 15);
        let now = NOW.after(Duration::from_secs(15));
        assert!(bound.in_force(50, now) <= 2_500, "{bound:?}");
        let refused = upstream.refused;
        call((&mut bound, 50), &mut upstream, now, 600);
        let more = upstream.refused - refused;
        assert!(
            more * 20 <= upstream.calls.len(),
            "{more} of {}",
            upstream.calls.len()
        );
    }

    #[test]
    fn an_upstream_that_always_refuses_is_still_asked_now_and_then() {
        let mut bound = CallBound::default();
        let mut upstream = Upstream::taking(0);
        call((&mut bound, 50), &mut upstream, NOW, 3_600);
        let now = NOW.after(Duration::from_hours(1));
        assert_eq!(bound.in_force(50, now), FEWEST, "{bound:?}");
        // The upstream takes calls again.
        assert_eq!(
            bound.in_force(50, now.after(Duration::from_mins(5))),
            50_000
        );
    }

    #[test]
    fn refusals_that_come_together_count_once() {
        let bound = CallBound::default().refused(8, NOW);
        assert_eq!(bound.in_force(8, NOW), 6_800);
        assert_eq!(bound.refused(8, NOW.after(Duration::from_secs(1))), bound);
        let again = bound.refused(8, NOW.after(Duration::from_secs(3)));
        assert!(
            (3_400..3_600).contains(&again.in_force(8, NOW.after(Duration::from_secs(3)))),
            "{again:?}"
        );
    }
}
