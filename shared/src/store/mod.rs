//! The Store: every question to the database and every change of it.
//!
//! The traits here are the contract; `postgres/` and `sqlite/` mirror each other name for name, and
//! `tests/store_contract` runs every sentence of the contract over both.
//!
//! | file | its trait |
//! |---|---|
//! | [`accounts`] | users, access tokens, API keys, grants |
//! | [`channels`] | channels, their cool-downs; prices |
//! | [`submissions`] | charge + task + ledger, in one transaction |
//! | [`turns`] | what workers do: claims, outcomes, the sweep |
//! | [`listing`] | tasks as clients see them |
//! | [`books`] | the audit, and the story of one task |
//!
//! Each unit of work runs to its end in a task of its own ([`detach`]): a caller that goes away
//! leaves nothing half done. Times come in as arguments; the Store has no clock.

pub mod accounts;
mod audit;
pub mod books;
pub mod channels;
pub mod connect;
mod deciding;
mod detach;
mod error;
mod gather;
pub mod listing;
mod migrations;
mod postgres;
mod row;
mod sqlite;
pub mod submissions;
pub mod turns;

use std::sync::Arc;

use async_trait::async_trait;

pub use accounts::Accounts;
pub use books::Books;
pub use channels::Channels;
pub use connect::{Plans, connect};
pub use error::StoreError;
pub use listing::Listing;
pub use submissions::Submissions;
pub use turns::Turns;

/// What every method of the Store returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A Store that many hold.
pub type SharedStore = Arc<dyn Store>;

/// The whole of it.
#[async_trait]
pub trait Store: Accounts + Channels + Submissions + Turns + Listing + Books {
    /// Brings the tables up to date. Safe while others do the same: one does it, the rest wait.
    async fn migrate(&self) -> Result<()>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;

    /// Waits for work under way and closes every connection.
    async fn close(&self);
}
