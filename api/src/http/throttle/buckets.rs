//! The buckets of many, in a table of a bounded size.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use shared::clock::Millis;

use super::bucket::{Bucket, Rate};

/// A bucket for each of many. Those that nobody used for a while are full again, and go.
///
/// The table has two halves. A bucket that is used is in the young half. Now and then the young half becomes the
/// old one, and the old one is dropped. Where that happens no sooner than a bucket takes to be full, nothing is
/// forgotten by it. It happens sooner only if the table is full: then those that were not used for longest get a
/// full bucket too early, and nobody is refused who would not be refused otherwise.
#[derive(Debug)]
pub(super) struct Buckets<Key> {
    /// The most buckets.
    most: usize,
    /// How long a bucket must be unused to be full.
    idle: Duration,
    young: HashMap<Key, Bucket>,
    old: HashMap<Key, Bucket>,
    turned: Millis,
}

impl<Key: Eq + Hash> Buckets<Key> {
    /// None yet. Every bucket must be full after `idle`.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self {
            most,
            idle,
            young: HashMap::new(),
            old: HashMap::new(),
            turned: Millis(0),
        }
    }

    /// Takes a request out of somebody's bucket; see [`Bucket::take`].
    pub(super) fn take(&mut self, key: Key, rate: Rate, now: Millis) -> Result<(), Duration> {
        self.tidy(now);
        if !self.young.contains_key(&key) && self.young.len() >= self.most / 2 {
            self.turn(now);
        }
        let old = &mut self.old;
        let kept = old.remove(&key);
        let bucket = self.young.entry(key);
        let bucket = bucket.or_insert_with(|| kept.unwrap_or_else(|| Bucket::full(rate, now)));
        bucket.take(rate, now)
    }

    /// Drops buckets that are full again, if it is time; returns how many are left.
    pub(super) fn tidy(&mut self, now: Millis) -> usize {
        if now < self.turned {
            // The clock was set back.
            self.turned = now;
        } else if now.since(self.turned) >= self.idle {
            self.turn(now);
        }
        self.young.len() + self.old.len()
    }

    fn turn(&mut self, now: Millis) {
        self.old = std::mem::take(&mut self.young);
        self.turned = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = Millis(1_000_000);
    const RATE: Rate = Rate::a_second(1);

    fn at(seconds: u64) -> Millis {
        START.after(Duration::from_secs(seconds))
    }

    fn buckets(most: usize) -> Buckets<usize> {
        Buckets::new(most, RATE.time_to_fill())
    }

    /// How many requests of `key` are taken at this moment.
    fn taken(buckets: &mut Buckets<usize>, key: usize, now: Millis) -> usize {
        std::iter::repeat_with(|| buckets.take(key, RATE, now))
            .take_while(Result::is_ok)
            .count()
    }

    #[test]
    fn each_has_a_bucket_of_its_own() {
        let mut buckets = buckets(100);
        assert_eq!(taken(&mut buckets, 1, START), 10);
        assert_eq!(taken(&mut buckets, 2, START), 10);
        assert_eq!(taken(&mut buckets, 1, at(3)), 3);
    }

    #[test]
    fn what_is_not_used_goes_once_it_is_full_and_what_is_used_stays() {
        let mut buckets = buckets(100);
        taken(&mut buckets, 1, START);
        taken(&mut buckets, 2, START);
        assert_eq!(buckets.tidy(START), 2);
        // The one that is used again and again never gets more than a request a second.
        for second in 1..=40 {
            assert_eq!(taken(&mut buckets, 1, at(second)), 1, "{second}");
        }
        assert_eq!(buckets.tidy(at(40)), 1);
        buckets.tidy(at(50));
        assert_eq!(buckets.tidy(at(60)), 0);
    }

    #[test]
    fn a_bucket_is_not_forgotten_before_it_is_full() {
        for pause in 0..=10 {
            for offset in 0..10 {
                let mut buckets = buckets(100);
                taken(&mut buckets, 0, START);
                taken(&mut buckets, 1, at(offset));
                let then = at(offset + pause);
                buckets.tidy(then);
                let expected = usize::try_from(pause).unwrap_or_default();
                assert_eq!(taken(&mut buckets, 1, then), expected, "{offset} {pause}");
            }
        }
    }

    #[test]
    fn the_table_is_bounded_and_what_was_used_last_is_remembered() {
        let mut buckets = buckets(100);
        for key in 0..10_000 {
            assert_eq!(taken(&mut buckets, key, START), 10);
            let count = buckets.tidy(START);
            assert!(count <= 100, "{count}");
        }
        for key in 9_960..10_000 {
            assert_eq!(taken(&mut buckets, key, START), 0, "{key}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_nothing() {
        let mut buckets = buckets(100);
        taken(&mut buckets, 1, at(3_600));
        assert_eq!(taken(&mut buckets, 1, START), 0);
        assert_eq!(taken(&mut buckets, 1, at(2)), 2);
        buckets.tidy(at(20));
        assert_eq!(buckets.tidy(at(40)), 0);
    }
}
