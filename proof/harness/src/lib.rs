//! Starts every server, program, proxy and client of the tests and measurements. It knows the
//! programs by their command line, their HTTP and their queues, and none of their code.
//!
//! | file | what it holds |
//! |---|---|
//! | [`servers`] | `PostgreSQL` and `RabbitMQ`: private ones, or the addresses of given ones |
//! | [`database`] | a database for one test |
//! | [`rabbitmq`] | what an operator sees in `RabbitMQ`'s management API |
//! | [`proxy`] | a TCP proxy that delays, cuts, resets, swallows, and stops at chosen bytes |
//! | [`programs`], [`process`] | our programs, and a process of one of them |
//! | [`proc`] | the processor time and memory of a process |
//! | [`cluster`] | a task center of its own for one test: processes, database, queues, upstreams |
//! | [`upstream`] | the simulated upstream, what it counted and what it can be told |
//! | [`places`] | the places of an upstream: who takes how many, and how long |
//! | [`fetches`] | the calls by which an upstream is asked for its tasks |
//! | [`operator`] | the command line |
//! | [`dialects`] | the dialects that channels speak, and how songs of their platforms are asked for |
//! | [`client`] | a user with an access token and an API key, over HTTP |
//! | [`metrics`] | the Prometheus metrics of APIs and workers |
//! | [`suite`] | scenarios as tests: run side by side, each within a time |
//! | [`spread`] | counters, durations and percentiles |
//! | [`disk`] | a small file system that can be filled |
//! | [`folder`], [`wait`] | a folder that is removed when dropped; waiting for a condition |
//!
//! The variable `KEEP_LOGS`, if set, keeps the folders of clusters with all their logs.
//!
//! The harness panics where a test would: its panics are what a failed test prints.

pub mod client;
pub mod cluster;
pub mod database;
pub mod dialects;
pub mod disk;
pub mod fetches;
pub mod folder;
pub mod metrics;
pub mod operator;
pub mod places;
pub mod proc;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod rabbitmq;
pub mod servers;
pub mod spread;
pub mod suite;
pub mod upstream;
pub mod wait;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex also after another holder panicked: that panic fails the test.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
