//! Polling: the tasks to poll, and what a poll writes about those that stay unfinished.

use super::PostgresStore;
use super::column::column;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::clips;
use crate::store::row::{self, at_turn, good};
use crate::store::session::PgSession;
use crate::store::turns::{PollJob, Polled};
use crate::task::history::STATUS;
use crate::task::{AtTurn, ChannelId, Status};

impl PostgresStore {
    pub(in crate::store) async fn poll_jobs(
        &self,
        channel: ChannelId,
        tasks: &[AtTurn],
    ) -> Result<Vec<PollJob>> {
        // LATERAL and OFFSET make Postgres look each task up by its id. Without statistics it expects a
        // handful of tasks in a stage and a channel, and would read all of them.
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT u.id, u.turn, u.upstream_id, u.digest, u.polls, u.missing, u.due_at, u.deadline,
                    u.accepted_at, t.task_id, t.action, t.status, t.progress
             FROM unnest($2::BIGINT[], $3::BIGINT[]) AS x (id, turn)
             CROSS JOIN LATERAL (SELECT * FROM unfinished_tasks WHERE id = x.id OFFSET 0) AS u
             JOIN tasks t ON t.id = u.id
             WHERE u.turn = x.turn AND u.stage = 'poll' AND u.channel_id = $1",
        )
        .bind(channel.0) // $1 channel_id
        .bind(column(tasks, |at| at.row.0)) // $2 id
        .bind(column(tasks, |at| at.turn.0)) // $3 turn
        .fetch_all(&mut session)
        .await?;
        session.commit().await?;
        Ok(rows
            .iter()
            .filter_map(|row| good(row, row::poll_job))
            .collect())
    }

    pub(in crate::store) async fn renew_leases(
        &self,
        tasks: &[AtTurn],
        until: Millis,
    ) -> Result<()> {
        let mut session = self.session().await?;
        sqlx::query(
            "UPDATE unfinished_tasks u
             SET due_at = greatest(u.due_at, $3)
             FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, turn)
             WHERE u.id = x.id AND u.turn = x.turn AND u.stage <> 'submit'",
        )
        .bind(column(tasks, |at| at.row.0)) // $1 id
        .bind(column(tasks, |at| at.turn.0)) // $2 turn
        .bind(until.0) // $3 due_at
        .execute(&mut session)
        .await?;
        session.commit().await?;
        Ok(())
    }
}

/// Writes the narrow rows of the tasks that are still at their turn, the wide rows and the clips of those
/// that have an update, and a line of history where the status changed. A poll without an update writes the narrow
/// table only and changes no index.
///
/// The clips of a result are written when the result first has them; the end of the task writes all of them
/// again.
///
/// `old` reads what there was before the statement. It is right: a wide row changes only together with
/// the turn, and the narrow row was still at its turn.
pub(super) async fn write_polled(
    session: &mut PgSession,
    polled: &[Polled],
    now: Millis,
) -> Result<Vec<AtTurn>> {
    if polled.is_empty() {
        return Ok(Vec::new());
    }
    let results = polled.iter().map(|task| {
        let data = task
            .update
            .as_ref()
            .and_then(|update| update.data.as_deref());
        (task.at.row, data)
    });
    let clips = clips::of_results(results);
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "WITH waits AS (
             UPDATE unfinished_tasks u
             SET turn = u.turn + 1, due_at = x.due_at, polls = x.polls, missing = x.missing,
                 digest = coalesce(x.digest, u.digest)
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
                         $6::BIGINT[], $7::TEXT[], $8::BIGINT[], $9::TEXT[])
                  AS x (id, turn, due_at, polls, missing, digest, status, progress, data)
             WHERE u.id = x.id AND u.turn = x.turn
             RETURNING u.id, u.turn, x.status, x.progress, x.data
         ), moved AS (
             UPDATE tasks t
             SET status = w.status, progress = greatest(t.progress, w.progress),
                 data = coalesce(w.data, t.data), updated_at = $10,
                 start_time = CASE WHEN t.start_time = 0 AND w.status = $11 THEN $10
                                   ELSE t.start_time END
             FROM waits w
             JOIN tasks old ON old.id = w.id
             WHERE t.id = w.id AND w.status IS NOT NULL
             RETURNING t.id, t.user_id, w.turn, t.status, old.status AS status_before
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT id, $12, turn, $13, format($14, status)
             FROM moved
             WHERE status <> status_before
         ), made AS (
             INSERT INTO clips (user_id, clip_id, task)
             SELECT m.user_id, x.clip_id, m.id
             FROM unnest($15::BIGINT[], $16::TEXT[]) AS x (id, clip_id)
             JOIN moved m ON m.id = x.id
             JOIN tasks old ON old.id = x.id
             WHERE old.data IS NULL OR strpos(old.data, x.clip_id) = 0
             ORDER BY m.user_id, x.clip_id
             ON CONFLICT DO NOTHING
         )
         SELECT id, turn FROM waits",
    )
    .bind(column(polled, |task| task.at.row.0)) // $1 id
    .bind(column(polled, |task| task.at.turn.0)) // $2 turn
    .bind(column(polled, |task| task.due_at.0)) // $3 due_at
    .bind(column(polled, |task| i64::from(task.polls))) // $4 polls
    .bind(column(polled, |task| i64::from(task.missing))) // $5 missing
    .bind(column(polled, |task| Some(task.update.as_ref()?.digest))) // $6 digest
    .bind(column(polled, |task| {
        Some(task.update.as_ref()?.status.as_str())
    })) // $7 status
    .bind(column(polled, |task| {
        Some(i64::from(task.update.as_ref()?.progress.percent()))
    })) // $8 progress
    .bind(column(polled, |task| task.update.as_ref()?.data.as_deref())) // $9 data
    .bind(now.seconds()) // $10 updated_at
    .bind(Status::InProgress.as_str()) // $11 the status that sets start_time
    .bind(now.0) // $12 at
    .bind(STATUS.kind) // $13 kind
    .bind(STATUS.detail) // $14 detail
    .bind(column(&clips, |(row, _)| row.0)) // $15 task
    .bind(column(&clips, |(_, id)| id.as_str())) // $16 clip_id
    .fetch_all(session)
    .await?;
    Ok(rows.into_iter().map(at_turn).collect())
}
