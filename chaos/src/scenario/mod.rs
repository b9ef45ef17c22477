//! The scenarios, by what they break.

mod gaps;
mod money;

use crate::run::Scenario;

/// All of them, in the order in which they run.
pub fn all() -> Vec<Scenario> {
    [&gaps::SCENARIOS[..], &money::SCENARIOS].concat()
}
