//! Tasks that are overdue or postponed.

use super::{SqliteStore, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::row::{self, at_turn};
use crate::store::turns::Overdue;
use crate::task::AtTurn;
use crate::task::history::SWEPT;

impl SqliteStore {
    pub(in crate::store) async fn sweep(
        &self,
        due_before: Millis,
        lease_until: Millis,
        limit: u32,
        now: Millis,
    ) -> Result<Vec<Overdue>> {
        let mut tx = self.begin().await?;
        let found = sqlx::query(
            "SELECT id, turn, due_at, CASE WHEN stage = 'poll' THEN channel_id END AS poll_at
             FROM unfinished_tasks
             WHERE due_at < $1 AND stage <> 'submit' AND NOT (stage = 'sending' AND claim IS NOT NULL)
             ORDER BY due_at
             LIMIT $2",
        )
        .bind(due_before.0) // $1 due_at
        .bind(limit) // $2 limit
        .fetch_all(&mut *tx)
        .await?;
        let overdue: Vec<Overdue> = found.iter().map(row::overdue).collect::<Result<_>>()?;
        for task in &overdue {
            sqlx::query("UPDATE unfinished_tasks SET due_at = $2 WHERE id = $1")
                .bind(task.at.row.0) // $1 id
                .bind(lease_until.0) // $2 due_at
                .execute(&mut *tx)
                .await?;
            // A task whose message waits in a long queue is found again and again.
            let seconds = now.since(task.due_at).as_secs().to_string();
            history::note_once_a_turn(&mut tx, task.at, SWEPT, &[&seconds], now).await?;
        }
        tx.commit().await?;
        Ok(overdue)
    }

    pub(in crate::store) async fn postpone(
        &self,
        tasks: &[AtTurn],
        due_at: Millis,
    ) -> Result<Vec<AtTurn>> {
        let mut tx = self.begin().await?;
        let mut postponed: Vec<AtTurn> = Vec::with_capacity(tasks.len());
        for at in tasks {
            // A task that is named at two turns is postponed once.
            if postponed.last().is_some_and(|done| done.row == at.row) {
                continue;
            }
            let done: Option<(i64, i64)> = sqlx::query_as(
                "UPDATE unfinished_tasks
                 SET turn = turn + 1, due_at = $3
                 WHERE id = $1 AND turn = $2 AND (stage <> 'sending' OR claim IS NULL)
                 RETURNING id, turn",
            )
            .bind(at.row.0) // $1 id
            .bind(at.turn.0) // $2 turn
            .bind(due_at.0) // $3 due_at
            .fetch_optional(&mut *tx)
            .await?;
            postponed.extend(done.map(at_turn));
        }
        tx.commit().await?;
        Ok(postponed)
    }
}
