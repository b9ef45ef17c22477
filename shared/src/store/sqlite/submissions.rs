//! Submits: the transaction of a batch.

mod statements;

use self::statements::{facts, store, used_keys};
use super::SqliteStore;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::admission::{PendingSubmit, admitted, answers, decide};
use crate::store::row;
use crate::store::submissions::{BatchError, BatchResult, Continuation, Locks};
use crate::task::{TaskId, UserId};

impl SqliteStore {
    /// One transaction for all submits of `batch`. An early return rolls it back. The writer's connection
    /// locks the whole file.
    pub(in crate::store) async fn submit_batch(
        &self,
        batch: &[PendingSubmit],
        _: Locks,
    ) -> BatchResult {
        let mut tx = self.begin().await?;
        let facts = facts(&mut tx, batch).await?;
        let used_keys = used_keys(&mut tx, batch).await?;
        let decisions = decide(batch, &facts, used_keys);
        let mut rows = Vec::new();
        for (submit, price) in admitted(batch, &decisions) {
            rows.push(store(&mut tx, submit, price).await?);
        }
        if !rows.is_empty() {
            let committed = tx.commit().await;
            committed.map_err(|error| BatchError::InCommit(error.into()))?;
        }
        Ok(answers(batch, decisions, rows))
    }

    pub(in crate::store) async fn continuation(
        &self,
        user: UserId,
        task: &TaskId,
    ) -> Result<Continuation> {
        let found = sqlx::query(row::CONTINUATION)
            .bind(task.as_str()) // $1 task_id
            .bind(user.0) // $2 user_id
            .fetch_optional(&self.readers)
            .await?;
        row::continuation(found.as_ref())
    }

    pub(in crate::store) async fn forget_idempotency(
        &self,
        before: Millis,
        limit: u32,
    ) -> Result<u64> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "DELETE FROM idempotency_keys
             WHERE rowid IN (
                 SELECT rowid FROM idempotency_keys WHERE created_at < $1 LIMIT $2
             )",
        )
        .bind(before.0) // $1 created_at
        .bind(limit) // $2 limit
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}
