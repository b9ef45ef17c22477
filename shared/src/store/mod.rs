//! The Store: every question to the database and every change of it.
//!
//! [`Store`] is one struct over two databases. Each file below holds some of its methods. Their doc
//! comments are the contract: `tests/store_contract` tests every sentence over both databases.
//!
//! | file | its methods |
//! |---|---|
//! | [`open`] | opening, migrations, health, closing |
//! | [`accounts`] | users, access tokens, API keys, grants |
//! | [`channels`] | channels, their cool-downs |
//! | [`prices`] | what tasks cost |
//! | [`submissions`] | charge + task + ledger, in one transaction |
//! | [`clips`] | which channel made a task or a clip |
//! | [`hooks`] | the look that a vendor's call brings forward |
//! | [`turns`] | what workers do: claims, outcomes, the sweep |
//! | [`listing`] | tasks as clients see them |
//! | [`pools`] | how full the pools of connections are |
//! | [`story`] | the story of one task; how many are unfinished |
//! | [`audit`] | the proof that the money is exact |
//!
//! Both databases share the text of a statement ([`sql`]). The hot path has its own statements for each:
//! `postgres/` and `sqlite/` have the same names. Each transaction runs to its end in a task of its own
//! ([`detach`]), so that a dropped request cannot cancel it half-way. The Store has no clock: callers pass
//! the time.

pub mod accounts;
mod admission;
pub mod audit;
pub mod batcher;
pub mod channels;
mod claims;
pub mod clips;
mod detach;
mod either;
mod error;
mod flow;
mod gate;
pub mod hooks;
pub mod lines;
pub mod listing;
pub mod looks;
mod migrations;
mod open;
mod options;
pub mod pools;
mod postgres;
pub mod prices;
mod row;
mod session;
mod sql;
mod sqlite;
pub mod story;
pub mod submissions;
pub mod turns;

pub use error::StoreError;
pub use options::{Plans, StoreOptions};

use sql::Database;

/// What every method of the Store returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The Store on one database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    submits: submissions::Submits,
}
