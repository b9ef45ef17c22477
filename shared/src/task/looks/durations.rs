//! How long the tasks of a channel and an action take, as it is learnt from those that ended: those that ended last count
//! most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// The upper ends of the buckets grow by this factor, from [`FIRST`] on.
const RATIO: f64 = 1.12;
/// The upper end of the first bucket, in seconds.
const FIRST: f64 = 1.0;
/// How many buckets there are. The last one ends after half an hour.
pub(super) const BUCKETS: usize = 68;
/// About how many of the last ends count.
const COUNTED: f32 = 500.0;
/// The number of ends a second is known of about this time.
const RATE_OVER: Duration = Duration::from_mins(2);

/// How long tasks took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Durations {
    /// Those that succeeded, by how long they took.
    good: Counts,
    /// Those that failed.
    bad: Counts,
    /// How many ended lately, in all.
    lately: f32,
    /// The time of `lately`.
    at: Millis,
}

/// How many ended in each bucket: `counts[0]` is that of bucket `from`. Buckets before and after are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Counts {
    from: usize,
    counts: Vec<f32>,
}

impl Counts {
    fn get(&self, bucket: usize) -> f32 {
        let nth = bucket.checked_sub(self.from);
        nth.and_then(|nth| self.counts.get(nth))
            .copied()
            .unwrap_or(0.0)
    }

    fn total(&self) -> f32 {
        self.counts.iter().sum()
    }

    /// Both, with those of `self` times `keep`.
    fn and(&self, keep: f32, more: &Self) -> Self {
        let all = (0..BUCKETS).map(|bucket| {
            let count = self.get(bucket) * keep + more.get(bucket);
            // Whole thousandths, so that what is stored stays short.
            (count * 1000.0).round() / 1000.0
        });
        let counts: Vec<f32> = all.collect();
        let from = counts.iter().position(|count| *count > 0.0).unwrap_or(0);
        let end = counts.iter().rposition(|count| *count > 0.0);
        Self {
            from,
            counts: end.map_or(Vec::new(), |end| counts[from..=end].to_vec()),
        }
    }

    /// Counts one more.
    fn count(&mut self, bucket: usize) {
        if self.counts.is_empty() {
            self.from = bucket;
        }
        let before = self.from.saturating_sub(bucket);
        self.counts.splice(0..0, std::iter::repeat_n(0.0, before));
        self.from -= before;
        let nth = bucket - self.from;
        if nth >= self.counts.len() {
            self.counts.resize(nth + 1, 0.0);
        }
        self.counts[nth] += 1.0;
    }
}

impl Durations {
    /// Counts one more task, which ended after those that are counted already. What is counted so keeps its weight;
    /// [`Durations::and`] makes earlier ends count less.
    pub fn count(&mut self, took: Duration, succeeded: bool, now: Millis) {
        let counts = if succeeded {
            &mut self.good
        } else {
            &mut self.bad
        };
        counts.count(bucket(took));
        self.lately = self.lately(now) + 1.0;
        self.at = now;
    }

    /// With more tasks, which ended after those that are counted already.
    #[must_use]
    pub fn and(&self, more: &Self, now: Millis) -> Self {
        let ended = more.good.total() + more.bad.total();
        let keep = (1.0 - 1.0 / COUNTED).powf(ended);
        Self {
            good: self.good.and(keep, &more.good),
            bad: self.bad.and(keep, &more.bad),
            lately: self.lately(now) + more.lately(now),
            at: now,
        }
    }

    /// How many ended within about the last two minutes.
    pub fn lately(&self, now: Millis) -> f32 {
        let age = now.since(self.at).as_secs_f32() / RATE_OVER.as_secs_f32();
        self.lately * (-age).exp()
    }

    /// How many ended in a bucket, well or not: both end the waiting.
    pub(super) fn in_bucket(&self, bucket: usize) -> f64 {
        f64::from(self.good.get(bucket) + self.bad.get(bucket))
    }

    /// Reads what [`Durations::stored`] wrote. What cannot be read is as if nothing was learnt.
    pub fn read(stored: &str) -> Self {
        let mut read: Self = serde_json::from_str(stored).unwrap_or_default();
        for counts in [&mut read.good, &mut read.bad] {
            let fine = |count: &f32| count.is_finite() && *count >= 0.0;
            if counts.from + counts.counts.len() > BUCKETS || !counts.counts.iter().all(fine) {
                *counts = Counts::default();
            }
        }
        if !read.lately.is_finite() || read.lately < 0.0 {
            read.lately = 0.0;
        }
        read
    }

    /// As the database keeps it: JSON, of at most some 1,500 bytes.
    pub fn stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// The bucket of a duration.
fn bucket(took: Duration) -> usize {
    let above = (took.as_secs_f64() / FIRST).max(1.0).log(RATIO);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration is not so long, and its logarithm here not negative"
    )]
    let bucket = above.ceil() as usize;
    bucket.min(BUCKETS - 1)
}

/// The longest duration of a bucket, in seconds.
pub(super) fn upper_end(bucket: usize) -> f64 {
    let exponent = u32::try_from(bucket).map_or(f64::INFINITY, f64::from);
    FIRST * RATIO.powf(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn one(seconds: u64, succeeded: bool) -> Durations {
        let mut one = Durations::default();
        one.count(Duration::from_secs(seconds), succeeded, NOW);
        one
    }

    fn many(count: u32, seconds: u64) -> Durations {
        let one = one(seconds, true);
        (0..count).fold(Durations::default(), |all, _| all.and(&one, NOW))
    }

    #[test]
    fn what_ended_last_counts_most() {
        let before = many(2_000, 60);
        let one = one(120, true);
        let after = (0..1_000).fold(before, |all, _| all.and(&one, NOW));
        let of = |seconds| after.in_bucket(bucket(Duration::from_secs(seconds)));
        assert!(of(60) < 0.2 * of(120), "{} {}", of(60), of(120));
        assert!(of(120) < 510.0);
    }

    #[test]
    fn the_buckets_hold_half_an_hour() {
        assert!(upper_end(BUCKETS - 1) > 1_800.0);
        assert_eq!(bucket(Duration::from_hours(9)), BUCKETS - 1);
        assert_eq!(bucket(Duration::ZERO), 0);
        for number in 0..BUCKETS - 1 {
            let end = Duration::from_secs_f64(upper_end(number) - 1e-3);
            assert_eq!(bucket(end), number);
        }
    }

    #[test]
    fn what_is_counted_one_by_one_is_counted_in_its_bucket() {
        let mut all = Durations::default();
        for seconds in [60, 20, 200, 60] {
            all.count(Duration::from_secs(seconds), seconds != 200, NOW);
        }
        let of = |seconds| all.in_bucket(bucket(Duration::from_secs(seconds)));
        let counted = [20, 60, 200, 100].map(|seconds| format!("{:.1}", of(seconds)));
        assert_eq!(counted, ["1.0", "2.0", "1.0", "0.0"]);
        assert!((all.lately(NOW) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_stored_reads_back_and_is_short() {
        let mut all = Durations::default();
        for seconds in 0..1_900 {
            all = all.and(&one(seconds, seconds % 3 > 0), NOW);
        }
        let stored = all.stored();
        assert!(stored.len() < 1_500, "{}", stored.len());
        assert_eq!(Durations::read(&stored), all);
        for bad in [
            "",
            "[]",
            r#"{"good":{"from":60,"counts":[1,1,1,1,1,1,1,1,1]}}"#,
            r#"{"lately":-1}"#,
        ] {
            assert_eq!(Durations::read(bad), Durations::default(), "{bad}");
        }
    }

    #[test]
    fn how_many_ended_lately_fades() {
        let all = many(50, 60);
        assert!((all.lately(NOW) - 50.0).abs() < 0.1);
        assert!(all.lately(NOW.after(Duration::from_mins(10))) < 0.5);
    }
}
