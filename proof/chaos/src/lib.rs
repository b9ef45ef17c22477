//! Injects faults into real processes on real servers, and then checks that money and tasks are
//! exact (`docs/chaos.md`).
//!
//! | module | what it holds |
//! |---|---|
//! | [`scenario`] | the scenarios: which fault, and what must hold after it |
//! | [`run`], [`report`] | one run of a scenario, and the report |
//! | [`short_runs`] | short runs of scenarios, as tests |
//! | `wire_patterns` | byte patterns that let a proxy recognise a step on the wire |
//! | `clients`, `submits` | clients that repeat their submits, and the answers they got |
//! | `random_load`, `random_faults` | load and faults for `money` |
//! | `check`, `ledger_check`, `count_check`, `lost_check` | what must hold once all tasks have ended |

mod check;
mod clients;
mod count_check;
mod ledger_check;
mod lost_check;
mod random_faults;
mod random_load;
pub mod report;
pub mod run;
pub mod scenario;
pub mod short_runs;
mod submits;
mod wire_patterns;
