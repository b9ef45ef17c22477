//! Submits: the transaction of a batch.

mod statements;

use self::statements::{facts, store, used_keys};
use super::SqliteStore;
use crate::store::admission::{PendingSubmit, admitted, answers, decide};
use crate::store::submissions::{BatchError, BatchResult, Locks};

impl SqliteStore {
    /// One transaction for all submits of `batch`. An early return closes the connection, which rolls the transaction
    /// back. The writer's connection locks the whole file.
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
        if rows.is_empty() {
            tx.roll_back().await?;
        } else {
            let committed = tx.commit().await;
            committed.map_err(|error| BatchError::InCommit(error.into()))?;
        }
        Ok(answers(decisions, rows))
    }
}
