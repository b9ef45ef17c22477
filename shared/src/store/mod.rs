//! The Store: every question to the database and every change of it.
//!
//! [`Store`] is one struct over two databases. Each file below is one chapter of its methods, and their
//! doc comments are the contract: `tests/store_contract` runs every sentence of it over both databases.
//!
//! | file | its methods |
//! |---|---|
//! | [`open`] | opening, migrations, health, closing |
//! | [`accounts`] | users, access tokens, API keys, grants |
//! | [`channels`] | channels, their cool-downs; prices |
//! | [`submissions`] | charge + task + ledger, in one transaction |
//! | [`turns`] | what workers do: claims, outcomes, the sweep |
//! | [`listing`] | tasks as clients see them |
//! | [`story`] | the story of one task; how many are unfinished |
//! | [`audit`] | the proof that the money is exact |
//!
//! A statement is written once for both databases ([`sql`]), but for the hot path: `postgres/` and `sqlite/`
//! mirror each other name for name. Each unit of work runs to its end in a task of its own ([`detach`]), so
//! that a dropped request cannot cancel it half-way. Times come in as arguments; the Store has no clock.

pub mod accounts;
mod admission;
pub mod audit;
pub mod batcher;
pub mod channels;
mod detach;
mod either;
mod error;
pub mod listing;
mod migrations;
mod open;
mod options;
mod postgres;
mod row;
mod sql;
mod sqlite;
pub mod story;
pub mod submissions;
pub mod turns;

pub use error::StoreError;
pub use options::Plans;

use sql::Database;

/// What every method of the Store returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The Store on one database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    submits: submissions::Submits,
}
