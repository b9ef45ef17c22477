//! The contract of the Store: every sentence of the documentation of its methods, over both databases.
//!
//! Each test is written once and runs as `sqlite::…` and as `postgres::…`. The Postgres half needs a
//! server: `scripts/test` starts one. Without a server those tests fail; they are never skipped.

mod database;
mod values;
mod world;

mod accounts;
mod books;
mod channels;
mod counts;
mod idempotency;
mod listing;
mod sequences;
mod store;
mod submissions;
mod turns_polls;
mod turns_settle;
mod turns_settle_races;
mod turns_submit;
mod turns_sweep;
