//! The benchmark suite: what a poll, a submit and a page cost, on real servers, beside what the
//! servers can do bare. `docs/performance.md` has its tables.
//!
//! | module | what it has |
//! |---|---|
//! | `figure` | one figure a file: what is measured, and beside what |
//! | `site` | servers, API, workers and upstream, without anything between them |
//! | `load` | clients that cost little |
//! | `report` | tables, medians and spreads; as Markdown and JSON |
//! | `usage` | what a process used: processor time, memory |
//! | `machine` | what all of it ran on |

pub mod figure;
pub mod load;
pub mod machine;
pub mod report;
pub mod site;
pub mod usage;
