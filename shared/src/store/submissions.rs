//! Submits: charge, task and ledger in one transaction, once for each idempotency key.
//!
//! Concurrent submits share a transaction. It locks their users and keys, reads what [`decide`] needs,
//! and writes all admitted tasks. A batch waits for no lock: a submit whose user or key is locked by
//! another transaction, or whose batch failed, goes into the next batch, and in the end into a
//! transaction of its own, which waits. So no submit delays another, and none fails with another.
//!
//! [`decide`]: super::admission::decide

#![allow(missing_docs, reason = "names explain the rest")]

use std::time::Duration;

use super::admission::{PendingSubmit, answer_of};
use super::batcher::{Batcher, Policy, to_each};
use super::detach::detach;
use super::either::either;
use super::row;
use super::sql::{Database, sql};
use super::{Result, Store, StoreError};
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::task::{Action, ChannelId, KeyId, Platform, Quota, RowId, TaskId, UserId};

/// How long an idempotency key is remembered: 24 h (`docs/contract.md`, "Making music").
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_hours(24);

/// In how many batches a submit is tried before it goes alone. A user's lock is mostly held by a batch of
/// another API process or by a refund, for some milliseconds.
const BATCHED_TRIES: u32 = 3;

/// Reads the first use of a user's key, for [`row::first_use`].
pub(super) const USED_KEY: &str = "SELECT user_id, key, request, meaning, task_id, created_at
     FROM idempotency_keys
     WHERE user_id = $1 AND key = $2";

/// A client's idempotency key with its request.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub key: String,
    /// The digest of the action and of the body's bytes. Programs of the version before compare it alone.
    pub request: SecretDigest,
    /// The digest of the action and of [`crate::json::canonical`] of the body; `None` if it has none.
    pub meaning: Option<SecretDigest>,
}

impl Idempotency {
    /// The `meaning` of a stored key whose `request` is `stored`, if it came with a body like this one.
    ///
    /// `request` is a part of it, because a program of the version before that uses an expired key again writes
    /// its `request` and leaves the `meaning` of the former one.
    pub(super) fn meaning_beside(&self, stored: &[u8]) -> Option<SecretDigest> {
        let meaning = self.meaning?;
        Some(SecretDigest::of([stored, meaning.as_bytes()].concat()))
    }

    /// The `meaning` to store.
    pub(super) fn stored_meaning(&self) -> Option<SecretDigest> {
        self.meaning_beside(self.request.as_bytes())
    }
}

/// A task to charge and store.
#[derive(Debug, Clone)]
pub struct NewTask {
    pub task_id: TaskId,
    /// The user who pays.
    pub user: UserId,
    pub key: KeyId,
    pub platform: Platform,
    pub action: Action,
    /// The model that the request names, by which the price may differ.
    pub model: Option<String>,
    /// The request for the upstream: JSON. A `task_id` in it is the upstream's id.
    pub request: String,
    /// The prompt or description for the listings.
    pub input: String,
    /// For a continuation: the only channel that can serve it.
    pub pinned: Option<ChannelId>,
    pub idempotency: Option<Idempotency>,
    pub deadline: Millis,
}

/// The outcome of a submit. All but [`Submitted::Stored`] charged and stored nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The task is charged and stored, at turn [`crate::task::Turn::FIRST`], due now.
    Stored {
        /// The task's row.
        row: RowId,
        /// What it was charged.
        price: Quota,
    },
    /// The same request came before and has this task.
    Repeated(TaskId),
    /// The idempotency key came before with another request.
    KeyReused,
    /// Nobody said what such a task costs.
    NoPrice,
    /// No enabled channel serves the platform; for a continuation: its channel is disabled.
    NoChannel,
    /// The user's quota or the key's limit does not suffice.
    QuotaNotEnough,
    /// As many of the user's tasks wait to be sent as may wait.
    TooManyWaiting,
}

/// Whether a transaction waits for locks that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locks {
    Wait,
    SkipHeld,
}

/// What a batch answers to one of its submits.
pub(super) enum Answer {
    Submitted(Submitted),
    /// Nothing was written, and nothing is decided: its user or key was not locked, or the batch failed.
    Undecided,
}

/// How a batch failed.
pub(super) enum BatchError {
    /// The transaction is rolled back.
    RolledBack(StoreError),
    /// The commit failed, or the batch took too long. Nobody knows the outcome.
    InCommit(StoreError),
}

impl<E: Into<StoreError>> From<E> for BatchError {
    fn from(error: E) -> Self {
        Self::RolledBack(error.into())
    }
}

/// The answers to a batch, in its order.
pub(super) type BatchResult = std::result::Result<Vec<Result<Answer>>, BatchError>;

/// Batches of submits.
pub(super) type Submits = Batcher<PendingSubmit, Answer>;

/// Batches submits. `SQLite` has one writer, so a second batch at once would only wait for it.
pub(super) fn batcher(database: Database) -> Submits {
    let policy = Policy {
        slots: match database {
            Database::Postgres(_) => 2,
            Database::Sqlite(_) => 1,
        },
        max_items: 100,
        // About one commit: under load batches are a third larger.
        pause: Duration::from_millis(5),
    };
    Batcher::new(policy, move |batch| submit_batch(database.clone(), batch))
}

impl Store {
    /// Charges the current price and stores the task: user, key, task, unfinished task, ledger and history,
    /// all or nothing. An idempotency key younger than [`IDEMPOTENCY_KEPT`] answers with its first task,
    /// before any other check. Of concurrent duplicates one is stored; the others wait and repeat it.
    pub async fn submit(&self, task: NewTask, now: Millis) -> Result<Submitted> {
        let store = self.clone();
        detach(async move {
            let submit = PendingSubmit { task, now };
            for _ in 0..BATCHED_TRIES {
                let user = Some(submit.task.user.0);
                match store.submits.call(user, submit.clone()).await? {
                    Answer::Submitted(submitted) => return Ok(submitted),
                    Answer::Undecided => {}
                }
            }
            submit_alone(&store.database, submit).await
        })
        .await
    }

    /// What [`Store::submit`] answers to a request of the user with this key, if the key was used: its first task, or
    /// that it came with another request.
    pub async fn submitted_before(
        &self,
        user: UserId,
        idempotency: &Idempotency,
        now: Millis,
    ) -> Result<Option<Submitted>> {
        let select = sql(USED_KEY)
            .bind(user.0) // $1 user_id
            .bind(idempotency.key.as_str()); // $2 key
        let Some(found) = self.database.optional(select).await? else {
            return Ok(None);
        };
        let (_, first) = row::first_use(&found)?;
        Ok(answer_of(&first, idempotency, now))
    }

    /// Deletes at most `limit` idempotency keys made before `before`; returns how many.
    pub async fn forget_idempotency(&self, before: Millis, limit: u32) -> Result<u64> {
        let skip_locked = match self.database {
            Database::Postgres(_) => "FOR UPDATE SKIP LOCKED",
            Database::Sqlite(_) => "",
        };
        let delete = format!(
            "DELETE FROM idempotency_keys
             WHERE (user_id, key) IN (
                 SELECT user_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2 {skip_locked}
             )"
        );
        let delete = sql(delete)
            .bind(before.0) // $1 created_at
            .bind(limit); // $2 limit
        self.database.execute(delete).await
    }
}

async fn submit_batch(database: Database, batch: Vec<PendingSubmit>) -> Vec<Result<Answer>> {
    match in_transaction(&database, &batch, Locks::SkipHeld).await {
        Ok(answers) => answers,
        // One of the submits may be the cause, and fails alone next.
        Err(BatchError::RolledBack(error))
            if !matches!(error, StoreError::Busy | StoreError::Unreachable(_)) =>
        {
            batch.iter().map(|_| Ok(Answer::Undecided)).collect()
        }
        Err(BatchError::RolledBack(error) | BatchError::InCommit(error)) => {
            to_each(batch.len(), error)
        }
    }
}

async fn in_transaction(database: &Database, batch: &[PendingSubmit], locks: Locks) -> BatchResult {
    let work =
        Box::pin(async { either!(database, store => store.submit_batch(batch, locks).await) });
    let bounded = database.bound(work).await;
    bounded.unwrap_or_else(|error| Err(BatchError::InCommit(error)))
}

async fn submit_alone(database: &Database, submit: PendingSubmit) -> Result<Submitted> {
    let mut answers = match in_transaction(database, &[submit], Locks::Wait).await {
        Ok(answers) => answers,
        Err(BatchError::RolledBack(error) | BatchError::InCommit(error)) => return Err(error),
    };
    match answers.pop() {
        Some(Ok(Answer::Submitted(submitted))) => Ok(submitted),
        // Nobody holds the locks, so there is no such user or key.
        Some(Ok(Answer::Undecided)) => Ok(Submitted::QuotaNotEnough),
        Some(Err(error)) => Err(error),
        None => Err(StoreError::Died),
    }
}
