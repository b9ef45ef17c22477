//! How a Store is opened.

use std::time::Duration;

use crate::config::Pooler;

/// How long to wait for a free connection before saying that all are busy.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest unit of work. Then its connection is closed: over a connection that nobody resets, an answer may
/// never come. It is longer than all limits that the server has for us.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// The longest wait for an audit of all books.
pub(super) const LONGEST_AUDIT: Duration = Duration::from_hours(1);

/// The longest wait for tables to be brought up to date: some minutes for each million tasks.
pub(super) const LONGEST_MIGRATION: Duration = Duration::from_hours(12);

/// When `PostgreSQL` plans a statement that a program executes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Once, for as long as `PostgreSQL` finds the plan good. For programs whose statements are many and
    /// small.
    Kept,
    /// At each execution, by how large the tables are at that moment. For workers: one of their statements
    /// is about some hundred tasks, so that half a millisecond of planning is little. A plan that was made
    /// while ten tasks were unfinished reads all of them, also when they have become a hundred thousand.
    Fresh,
}

/// How a program uses its database.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// The most connections of the program.
    pub connections: u32,
    /// When statements are planned.
    pub plans: Plans,
    /// What stands between.
    pub pooler: Pooler,
}
