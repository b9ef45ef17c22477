//! The calls by which a simulated upstream is asked for its tasks (`simulator/README.md`).
//!
//! All numbers are `f64`: they are small, and most become shares.

use serde::Deserialize;

/// What an upstream knows of its fetches at one moment.
#[derive(Debug, Clone, Deserialize)]
pub struct Fetches {
    /// When, ms since 1970.
    pub at: f64,
    /// All calls, whatever their answer.
    pub calls: f64,
    /// Calls that got 429 because too many came before.
    pub refused: f64,
    /// Calls that got 400 because they named too many ids.
    pub too_many_ids: f64,
    /// The ids in all calls.
    pub ids: f64,
    /// The most ids in a call.
    pub most_ids: f64,
    /// The most calls that came in any second.
    pub most_in_1s: f64,
    /// The most calls that came in any ten seconds.
    pub most_in_10s: f64,
}
