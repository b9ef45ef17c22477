//! What the API and the workers both need, and no HTTP server in it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`task`] | the task model: status, transitions, money, waits. Pure: no I/O, no clock, no chance |
//! | [`store`] | every question to the database and every change of it, on Postgres and on `SQLite` |
//! | [`broker`] | messages out and messages in, on `RabbitMQ` and in process |
//! | [`config`] | the environment, read once and checked whole |
//! | [`backoff`] | growing waits |
//! | [`clock`], [`random`] | time and chance, given from outside |
//! | [`secret`] | tokens and keys: made, digested, never printed |
//! | [`health`] | whether database and broker answer |
//! | [`gauges`] | what is the case now, for `GET /metrics` of every program |
//! | [`fold`] | keeps the counts of the listings short |
//! | [`telemetry`] | logs and figures |
//! | [`start`] | what every program does before it works: database, broker, channel |
//! | [`lifecycle`] | stop, and a component that dies |

pub mod backoff;
pub mod broker;
pub mod clock;
pub mod config;
pub mod fold;
pub mod gauges;
pub mod health;
pub mod lifecycle;
pub mod random;
pub mod secret;
pub mod start;
pub mod store;
pub mod task;
pub mod telemetry;
