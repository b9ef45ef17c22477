//! The benchmark suite: what a poll, a submit and a page cost on real servers, compared with what the servers
//! reach without our programs. `docs/performance.md` says what is measured and how.
//!
//! | module | what it holds |
//! |---|---|
//! | [`figure`] | one figure a file: what is measured, and what it is compared with |
//! | `cluster` | servers, APIs, workers and upstreams, connected without proxies |
//! | `seeded_tasks` | many tasks at an upstream, written by SQL instead of submitted |
//! | `end_to_end` | tasks from submit to SUCCESS, and what they cost |
//! | `baseline` | the same work without our programs |
//! | `load` | HTTP clients that use little processor time |
//! | `cpu_time` | processor time by part |
//! | [`report`], [`machine`] | tables, medians and spreads; the machine they were measured on |

mod baseline;
mod cluster;
mod cpu_time;
mod end_to_end;
pub mod figure;
mod load;
pub mod machine;
pub mod report;
mod seeded_tasks;
