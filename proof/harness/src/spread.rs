//! Counters, durations and percentiles, collected from many tasks at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;

use crate::lock;

/// Counters by name.
#[derive(Debug, Default)]
pub struct Counters(Mutex<BTreeMap<String, u64>>);

impl Counters {
    /// Adds one to a counter.
    pub fn count(&self, name: impl Into<String>) {
        *lock(&self.0).entry(name.into()).or_default() += 1;
    }

    /// All counters.
    pub fn all(&self) -> BTreeMap<String, u64> {
        lock(&self.0).clone()
    }
}

/// Durations.
#[derive(Debug, Default)]
pub struct Durations(Mutex<Vec<Duration>>);

/// Percentiles of durations, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Durations {
    /// Adds a duration.
    pub fn add(&self, took: Duration) {
        lock(&self.0).push(took);
    }

    /// Their percentiles; zeros if there is no duration.
    pub fn spread(&self) -> Spread {
        let mut seconds: Vec<f64> = lock(&self.0).iter().map(Duration::as_secs_f64).collect();
        if seconds.is_empty() {
            return Spread::default();
        }
        seconds.sort_by(f64::total_cmp);
        Spread {
            p50: percentile(&seconds, 0.5),
            p99: percentile(&seconds, 0.99),
            max: percentile(&seconds, 1.0),
        }
    }
}

/// The percentile `share` (0 to 1) of `sorted` by the nearest rank. Panics without values.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    assert!(!sorted.is_empty(), "nothing was measured");
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks are small and not negative"
    )]
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        let shares = [percentile(&sorted, 0.99), percentile(&sorted, 1.0)];
        assert_eq!(shares.map(|value| value.to_string()), ["198", "200"]);
        assert_eq!(percentile(&[7.0], 0.5).to_string(), "7");
    }
}
