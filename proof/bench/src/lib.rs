//! The benchmark suite: what a poll, a submit and a page cost, on real servers, beside what the
//! servers can do bare. `docs/performance.md` has its tables.
//!
//! | module | what it has |
//! |---|---|
//! | `figure` | one figure a file: what is measured, and beside what |
//! | `site` | servers, API, workers and upstream, without anything between them |
//! | `flight` | many tasks at an upstream, without a submit each |
//! | `journey` | tasks on their whole way, and what that takes |
//! | `bare` | what the servers reach by themselves |
//! | `load` | clients that cost little |
//! | `report` | tables, medians and spreads; as Markdown and JSON |
//! | `spent` | where processor time went |
//! | `machine` | what all of it ran on |

pub mod bare;
pub mod figure;
pub mod flight;
pub mod journey;
pub mod load;
pub mod machine;
pub mod report;
pub mod site;
pub mod spent;
