//! Submits: the transaction of a batch.

mod statements;

use self::statements::{lock, store, used_keys};
use super::PostgresStore;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::admission::{PendingSubmit, admitted, answers, decide};
use crate::store::row;
use crate::store::submissions::{BatchError, BatchResult, Continuation, Locks};
use crate::task::{TaskId, UserId};

impl PostgresStore {
    /// One transaction for all submits of `batch`. An early return rolls it back.
    pub(in crate::store) async fn submit_batch(
        &self,
        batch: &[PendingSubmit],
        locks: Locks,
    ) -> BatchResult {
        let mut tx = self.pool.begin().await?;
        let facts = lock(&mut tx, batch, locks).await?;
        // Under the users' locks: a duplicate is committed and visible, or it comes after us.
        let used_keys = used_keys(&mut tx, batch).await?;
        let decisions = decide(batch, &facts, used_keys);
        let admitted = admitted(batch, &decisions);
        let mut rows = Vec::new();
        if !admitted.is_empty() {
            rows = store(&mut tx, &admitted).await?;
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
            .fetch_optional(&self.pool)
            .await?;
        row::continuation(found.as_ref())
    }

    pub(in crate::store) async fn forget_idempotency(
        &self,
        before: Millis,
        limit: u32,
    ) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM idempotency_keys
             WHERE (user_id, key) IN (
                 SELECT user_id, key FROM idempotency_keys
                 WHERE created_at < $1
                 LIMIT $2
                 FOR UPDATE SKIP LOCKED
             )",
        )
        .bind(before.0) // $1 created_at
        .bind(i64::from(limit)) // $2 limit
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
