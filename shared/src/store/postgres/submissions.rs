//! Submits: the transaction of a batch.

mod statements;

use self::statements::{lock, store, used_keys};
use super::PostgresStore;
use crate::store::admission::{PendingSubmit, admitted, answers, decide};
use crate::store::submissions::{BatchError, BatchResult, Locks};

impl PostgresStore {
    /// One transaction for all submits of `batch`. An early return closes the connection, which rolls it back.
    pub(in crate::store) async fn submit_batch(
        &self,
        batch: &[PendingSubmit],
        locks: Locks,
    ) -> BatchResult {
        let mut tx = self.begin().await?;
        let facts = lock(&mut tx, batch, locks).await?;
        // Under the users' locks: a duplicate is committed and visible, or it comes after us.
        let used_keys = used_keys(&mut tx, batch).await?;
        let decisions = decide(batch, &facts, used_keys);
        let admitted = admitted(batch, &decisions);
        let mut rows = Vec::new();
        if admitted.is_empty() {
            tx.roll_back().await?;
        } else {
            rows = store(&mut tx, &admitted).await?;
            let committed = tx.commit().await;
            committed.map_err(|error| BatchError::InCommit(error.into()))?;
        }
        Ok(answers(decisions, rows))
    }
}
