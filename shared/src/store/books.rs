//! The audit, and the story of one task.

use serde::Serialize;

use super::listing::TaskView;
use super::{Database, Result, Store};
use crate::clock::Millis;
use crate::task::{KeyId, TaskId};

/// What the audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How many users there are.
    pub users: i64,
    /// How many tasks.
    pub tasks: i64,
    /// How many ledger entries.
    pub entries: i64,
    /// Everything that does not add up, each in a sentence. Empty: the books balance.
    pub breaks: Vec<String>,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// `charge`, `refund` or `grant`.
    pub kind: String,
    /// What it changed the user's quota by.
    pub amount: i64,
}

/// One line of a task's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// The turn it happened at.
    pub turn: i64,
    /// What happened, in one word: see [`crate::task::history`].
    pub kind: String,
    /// The rest, for a person.
    pub detail: String,
}

/// How many tasks are unfinished, by what they wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// To be submitted.
    pub to_submit: u64,
    /// An intention to submit stands, without an outcome yet.
    pub sending: u64,
    /// Accepted by an upstream.
    pub at_upstream: u64,
    /// Of all of them: those that were due before the moment that was asked for.
    pub overdue: u64,
}

/// What workers know of an unfinished task. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Its turn.
    pub turn: i64,
    /// What is next: `submit`, `sending` (an intention stands without an outcome), or `poll`.
    pub stage: String,
    /// When that is due; while somebody is at it, when the sweep takes them for dead.
    pub due_at: i64,
    /// Our own deadline for it.
    pub deadline: i64,
    /// The channel that has it, or that it was sent to last.
    pub channel: Option<String>,
    /// For a continuation: the one channel that can serve it.
    pub pinned_channel: Option<String>,
    /// How many submits surely did not arrive, those that count.
    pub attempts: i64,
    /// How many polls were answered.
    pub polls: i64,
    /// How many polls in a row the upstream left it out of.
    pub missing: i64,
}

/// A task that was given up, and is looked at a few times more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LateLooks {
    /// How often it was looked at.
    pub looks: i64,
    /// When it is looked at next, in Unix milliseconds.
    pub due_at: i64,
}

/// Everything that is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Its row.
    pub task: TaskView,
    /// What the upstream calls it, once accepted.
    pub upstream_id: Option<String>,
    /// The API key that it was submitted with.
    pub key: KeyId,
    /// What that key is called.
    pub key_label: String,
    /// The name of the channel that has it, or had it last.
    pub channel: Option<String>,
    /// The request for the upstream: JSON.
    pub request: String,
    /// While it is unfinished: what workers know of it.
    pub unfinished: Option<Unfinished>,
    /// If it was given up while its upstream may make it yet: the looks at it.
    pub late: Option<LateLooks>,
    /// Its ledger entries, oldest first.
    pub entries: Vec<Entry>,
    /// Its history, oldest first.
    pub events: Vec<Event>,
}

impl Store {
    /// Proves from the tables alone, in one snapshot, that the money is exact: every user's quota is
    /// the sum of their ledger, every `used_quota` the charges less the refunds (users, keys,
    /// channels), each task charged once, each FAILURE and nothing else refunded once, and each
    /// unfinished task (and no other) in the table of unfinished tasks.
    pub async fn audit(&self) -> Result<Audit> {
        match &self.database {
            Database::Postgres(store) => store.audit().await,
            Database::Sqlite(store) => store.audit().await,
        }
    }

    /// Everything that is known of a task, whoever's it is.
    pub async fn story(&self, task: &TaskId) -> Result<Option<Story>> {
        match &self.database {
            Database::Postgres(store) => store.story(task).await,
            Database::Sqlite(store) => store.story(task).await,
        }
    }

    /// How many tasks are unfinished.
    pub async fn unfinished(&self) -> Result<i64> {
        match &self.database {
            Database::Postgres(store) => store.unfinished().await,
            Database::Sqlite(store) => store.unfinished().await,
        }
    }

    /// How many tasks are unfinished, by what they wait for, and how many were due before
    /// `due_before`. Reads the narrow table alone.
    pub async fn backlog(&self, due_before: Millis) -> Result<Backlog> {
        match &self.database {
            Database::Postgres(store) => store.backlog(due_before).await,
            Database::Sqlite(store) => store.backlog(due_before).await,
        }
    }
}
