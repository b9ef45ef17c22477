//! Charge, task and ledger in one transaction, once for each idempotency key.

use super::{Database, Result, Store};
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::task::{Action, ChannelId, KeyId, Platform, RowId, TaskId, UserId};

/// How long an idempotency key is remembered: 24 h (`docs/contract.md`, "Making music").
pub const IDEMPOTENCY_KEPT: std::time::Duration = std::time::Duration::from_hours(24);

/// What makes a repeated request the same request.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// The digest of action and body.
    pub request: SecretDigest,
}

/// A task to be charged and stored.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its public name.
    pub task_id: TaskId,
    /// Who pays.
    pub user: UserId,
    /// With which key.
    pub key: KeyId,
    /// The platform.
    pub platform: Platform,
    /// The action.
    pub action: Action,
    /// The request for the upstream: JSON, a `task_id` in it already the upstream's.
    pub request: String,
    /// The prompt or description, as the listings show it.
    pub input: String,
    /// For a continuation: the one channel that can serve it.
    pub pinned: Option<ChannelId>,
    /// The key that makes it happen once.
    pub idempotency: Option<Idempotency>,
    /// The deadline.
    pub deadline: Millis,
}

/// How a submit ended. Anything but [`Submitted::Stored`] took and stored nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// Charged and stored, at turn [`crate::task::Turn::FIRST`], due now.
    Stored(RowId),
    /// The same request came before: this is its task.
    Repeated(TaskId),
    /// The idempotency key came before with another request.
    KeyReused,
    /// No enabled channel serves the platform (for a continuation: the one that could is disabled).
    NoChannel,
    /// The user's quota, or the key's, does not suffice.
    QuotaNotEnough,
}

/// What a task can be continued with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuable {
    /// The channel that made it.
    pub channel: ChannelId,
    /// What the upstream calls it.
    pub upstream_id: String,
}

impl Store {
    /// Charges the price of the moment and stores the task: user, key, task, unfinished task,
    /// ledger and history, all or nothing. An idempotency key younger than [`IDEMPOTENCY_KEPT`]
    /// answers with its first task before anything else is looked at; of concurrent twins one
    /// stores, the other waits and repeats.
    pub async fn submit(&self, task: NewTask, now: Millis) -> Result<Submitted> {
        match &self.database {
            Database::Postgres(store) => store.submit(task, now).await,
            Database::Sqlite(store) => store.submit(task, now).await,
        }
    }

    /// What the user's own task can be continued with. `None`: the user has no such task.
    /// `Some(None)`: it was never accepted by an upstream.
    pub async fn continuable(
        &self,
        user: UserId,
        task: &TaskId,
    ) -> Result<Option<Option<Continuable>>> {
        match &self.database {
            Database::Postgres(store) => store.continuable(user, task).await,
            Database::Sqlite(store) => store.continuable(user, task).await,
        }
    }

    /// Forgets at most `limit` idempotency keys made before `before`; returns how many.
    pub async fn forget_idempotency(&self, before: Millis, limit: u32) -> Result<u64> {
        match &self.database {
            Database::Postgres(store) => store.forget_idempotency(before, limit).await,
            Database::Sqlite(store) => store.forget_idempotency(before, limit).await,
        }
    }
}
