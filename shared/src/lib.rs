//! What the API and the workers both need. No HTTP server is in it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`task`] | the rules of a task: status, transitions, money, waits. Pure: no I/O, no clock, no random numbers |
//! | [`store`] | every database query and change, on Postgres and on `SQLite` |
//! | [`broker`] | messages published and consumed, on `RabbitMQ` and in process |
//! | [`config`] | the environment, read once and checked as a whole |
//! | [`process`] | what every program does the same way: start, logs, metrics, health, stop |
//! | [`backoff`] | growing waits |
//! | [`clock`], [`random`] | time and random numbers, passed in so that tests can set them |
//! | [`hook`] | the address at which a vendor may say that there is something new about a task |
//! | [`json`] | JSON that others wrote badly |
//! | [`secret`] | tokens and keys: made, digested, never printed |

pub mod backoff;
pub mod broker;
pub mod clock;
pub mod config;
pub mod hook;
pub mod json;
pub mod process;
pub mod public_address;
pub mod random;
pub mod secret;
pub mod store;
pub mod task;
