//! A token bucket: how many requests are taken, on average and at once. No I/O: the caller says what time it is.

use std::time::Duration;

use shared::clock::Millis;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// So many requests …
    many: u32,
    /// … in so many milliseconds.
    every: u64,
    /// The most requests at once.
    holds: u64,
}

impl Rate {
    /// So many requests a second, at least one, and ten seconds' worth at once.
    pub(super) const fn a_second(many: u32) -> Self {
        Self {
            many,
            every: 1_000,
            holds: many as u64 * 10,
        }
    }

    /// So many requests a minute, at least one, and as many at once.
    pub(super) const fn a_minute(many: u32) -> Self {
        Self {
            many,
            every: 60_000,
            holds: many as u64,
        }
    }

    /// How long an empty bucket takes to be full.
    pub(super) const fn time_to_fill(self) -> Duration {
        Duration::from_millis(self.holds * self.every / self.many as u64)
    }

    /// What a full bucket holds, in parts of a request: a millisecond adds `many` parts, and a request takes
    /// `every` parts. So nothing is ever rounded.
    const fn full(self) -> u64 {
        self.holds * self.every
    }
}

/// What is left of somebody's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    parts: u64,
    at: Millis,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(rate: Rate, now: Millis) -> Self {
        Self {
            parts: rate.full(),
            at: now,
        }
    }

    /// Takes a request out. `Err`: there is none left, and the next one is there after this time. A clock that was
    /// set back adds nothing, and takes nothing away.
    pub(super) fn take(&mut self, rate: Rate, now: Millis) -> Result<(), Duration> {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let added = passed.saturating_mul(u64::from(rate.many));
        let parts = self.parts.saturating_add(added).min(rate.full());
        self.at = now;
        let left = parts.checked_sub(rate.every);
        self.parts = left.unwrap_or(parts);
        match left {
            Some(_) => Ok(()),
            None => Err(Duration::from_millis(
                (rate.every - parts).div_ceil(u64::from(rate.many)),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = Millis(1_000_000);

    fn at(milliseconds: u64) -> Millis {
        START.after(Duration::from_millis(milliseconds))
    }

    /// How many requests are taken at this moment.
    fn taken(bucket: &mut Bucket, rate: Rate, now: Millis) -> usize {
        std::iter::repeat_with(|| bucket.take(rate, now))
            .take_while(Result::is_ok)
            .count()
    }

    #[test]
    fn a_full_bucket_has_ten_seconds_worth_and_then_fills_a_request_at_a_time() {
        let rate = Rate::a_second(50);
        let mut bucket = Bucket::full(rate, START);
        assert_eq!(taken(&mut bucket, rate, START), 500);
        let wait = Duration::from_millis(20);
        assert_eq!(bucket.take(rate, START), Err(wait));
        assert_eq!(
            bucket.take(rate, at(19)),
            Err(Duration::from_millis(1)),
            "a refusal takes nothing"
        );
        assert_eq!(taken(&mut bucket, rate, at(20)), 1);
        assert_eq!(taken(&mut bucket, rate, at(1_020)), 50);
        assert_eq!(taken(&mut bucket, rate, at(3_600_000)), 500);
    }

    #[test]
    fn rates_that_do_not_divide_a_second_are_kept_exactly() {
        for many in [1, 3, 7, 999, 1_001, 1_000_000] {
            let rate = Rate::a_second(many);
            let mut bucket = Bucket::full(rate, START);
            let mut count = taken(&mut bucket, rate, START) as u64;
            for step in 1..=700 {
                // Some are refused in between.
                if let Err(wait) = bucket.take(rate, at(step * 13)) {
                    assert!(wait <= Duration::from_secs(1));
                } else {
                    count += 1 + taken(&mut bucket, rate, at(step * 13)) as u64;
                }
            }
            assert_eq!(
                count,
                u64::from(many) * (10_000 + 700 * 13) / 1_000,
                "{many}"
            );
        }
    }

    #[test]
    fn what_a_refusal_says_is_when_the_next_request_is_taken() {
        for many in [1, 3, 20, 50, 3_000] {
            for rate in [Rate::a_second(many), Rate::a_minute(many)] {
                let mut bucket = Bucket::full(rate, START);
                taken(&mut bucket, rate, START);
                let wait = bucket.take(rate, START).expect_err("it is empty");
                let early = wait.saturating_sub(Duration::from_millis(1));
                assert!(bucket.take(rate, START.after(early)).is_err(), "{rate:?}");
                assert_eq!(bucket.take(rate, START.after(wait)), Ok(()), "{rate:?}");
            }
        }
    }

    #[test]
    fn twenty_a_minute_are_one_in_three_seconds() {
        let rate = Rate::a_minute(20);
        let mut bucket = Bucket::full(rate, START);
        assert_eq!(taken(&mut bucket, rate, START), 20);
        assert_eq!(bucket.take(rate, START), Err(Duration::from_secs(3)));
        assert_eq!(taken(&mut bucket, rate, at(60_000)), 20);
        assert_eq!(rate.time_to_fill(), Duration::from_mins(1));
        assert_eq!(Rate::a_second(7).time_to_fill(), Duration::from_secs(10));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_gives_nor_locks_out() {
        let rate = Rate::a_second(1);
        let mut bucket = Bucket::full(rate, at(3_600_000));
        assert_eq!(taken(&mut bucket, rate, START), 10);
        assert_eq!(taken(&mut bucket, rate, at(2_000)), 2);
    }

    #[test]
    fn a_rate_that_changes_counts_from_then_on() {
        let (slow, fast) = (Rate::a_second(1), Rate::a_second(100));
        let mut bucket = Bucket::full(fast, START);
        assert_eq!(taken(&mut bucket, slow, START), 10);
        assert_eq!(taken(&mut bucket, fast, at(1_000)), 100);
    }
}
