//! The scenarios, by what they break.

mod asker;
mod asking;
mod database;
mod gaps;
mod money;
mod one_process;
mod queues;
mod upstream;

use crate::run::Scenario;

/// All of them, in the order in which they run.
pub fn all() -> Vec<Scenario> {
    [
        &gaps::SCENARIOS[..],
        &queues::SCENARIOS,
        &upstream::SCENARIOS,
        &database::SCENARIOS,
        &one_process::SCENARIOS,
        &money::SCENARIOS,
    ]
    .concat()
}
