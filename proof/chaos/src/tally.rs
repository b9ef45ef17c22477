//! Counts by name, from many places at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// How often things happened.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// One more.
    pub fn count(&self, what: impl Into<String>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.into()).or_default() += 1;
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How long things took.
#[derive(Debug, Default)]
pub struct Times(Mutex<Vec<Duration>>);

/// Some of them, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Times {
    /// One more.
    pub fn note(&self, took: Duration) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(took);
    }

    /// How they spread; zeros without any.
    pub fn spread(&self) -> Spread {
        let mut all = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        all.sort_unstable();
        let at = |percent: usize| {
            let place = (all.len().saturating_sub(1)) * percent / 100;
            all.get(place).map_or(0.0, Duration::as_secs_f64)
        };
        Spread {
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}
