//! Tasks that are overdue or postponed.

use super::PostgresStore;
use super::column::column;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::row::{self, at_turn};
use crate::store::turns::Overdue;
use crate::task::AtTurn;
use crate::task::history::SWEPT;

impl PostgresStore {
    pub(in crate::store) async fn sweep(
        &self,
        due_before: Millis,
        lease_until: Millis,
        limit: u32,
        now: Millis,
    ) -> Result<Vec<Overdue>> {
        // SKIP LOCKED gives each sweep other tasks, and no sweep waits for a settle. The history gets one line
        // a turn: a task whose message waits in a long queue is found again and again.
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "WITH overdue AS (
                 SELECT id, due_at FROM unfinished_tasks
                 WHERE due_at < $1 AND stage <> 'submit' AND NOT (stage = 'sending' AND claim IS NOT NULL)
                 ORDER BY due_at
                 LIMIT $3
                 FOR UPDATE SKIP LOCKED
             ), swept AS (
                 UPDATE unfinished_tasks u
                 SET due_at = $2
                 FROM overdue
                 WHERE u.id = overdue.id
                 RETURNING u.id, u.turn, overdue.due_at,
                           CASE WHEN u.stage = 'poll' THEN u.channel_id END AS poll_at
             ), noted AS (
                 INSERT INTO task_events (task_id, at, turn, kind, detail)
                 SELECT s.id, $4, s.turn, $5, format($6, ($4 - s.due_at) / 1000)
                 FROM swept s
                 WHERE NOT EXISTS (
                     SELECT 1 FROM task_events e
                     WHERE e.task_id = s.id AND e.turn = s.turn AND e.kind = $5
                 )
             )
             SELECT id, turn, due_at, poll_at FROM swept",
        )
        .bind(due_before.0) // $1 due_at
        .bind(lease_until.0) // $2 due_at
        .bind(i64::from(limit)) // $3 limit
        .bind(now.0) // $4 at
        .bind(SWEPT.kind) // $5 kind
        .bind(SWEPT.detail) // $6 detail
        .fetch_all(&mut session)
        .await?;
        session.commit().await?;
        rows.iter().map(row::overdue).collect()
    }

    pub(in crate::store) async fn postpone(
        &self,
        tasks: &[AtTurn],
        due_at: Millis,
    ) -> Result<Vec<AtTurn>> {
        let mut session = self.session().await?;
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "UPDATE unfinished_tasks u
             SET turn = u.turn + 1, due_at = $3
             FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, turn)
             WHERE u.id = x.id AND u.turn = x.turn AND (u.stage <> 'sending' OR u.claim IS NULL)
             RETURNING u.id, u.turn",
        )
        .bind(column(tasks, |at| at.row.0)) // $1 id
        .bind(column(tasks, |at| at.turn.0)) // $2 turn
        .bind(due_at.0) // $3 due_at
        .fetch_all(&mut session)
        .await?;
        session.commit().await?;
        Ok(rows.into_iter().map(at_turn).collect())
    }
}
