//! Breaks everything that can break, on real servers, and proves that the books balance after it
//! (`docs/chaos.md`).
//!
//! | file | what it holds |
//! |---|---|
//! | [`scenario`] | what is broken, and what exactly must come of it |
//! | [`run`], [`report`] | one run of a scenario, and what is told of it |
//! | [`site`], [`member`] | API, workers and upstreams as processes, on wires of their own |
//! | [`load`], [`monkey`] | random load, and random faults |
//! | [`record`], [`books`], [`check`] | what clients were told, what the tables hold, and that both agree |
//! | [`counts`] | whether listings count right |
//! | [`metrics`] | figures of a process |

pub mod books;
pub mod check;
pub mod counts;
pub mod load;
pub mod member;
pub mod metrics;
pub mod monkey;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod site;
