//! Polling: the tasks to poll, and what a poll writes about those that stay unfinished.

use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::clips;
use crate::store::row::{self, at_turn, good};
use crate::store::turns::{PollJob, Polled, TaskUpdate};
use crate::task::history::STATUS;
use crate::task::{AtTurn, ChannelId, RowId, Status};

impl SqliteStore {
    pub(in crate::store) async fn poll_jobs(
        &self,
        channel: ChannelId,
        tasks: &[AtTurn],
    ) -> Result<Vec<PollJob>> {
        // One connection and one snapshot for all tasks.
        let mut tx = self.begin_to_read().await?;
        let mut jobs = Vec::with_capacity(tasks.len());
        for at in tasks {
            let found = sqlx::query(
                "SELECT u.id, u.turn, u.upstream_id, u.digest, u.polls, u.missing, u.due_at,
                        u.deadline, u.accepted_at, t.task_id, t.action, t.status, t.progress
                 FROM unfinished_tasks u
                 JOIN tasks t ON t.id = u.id
                 WHERE u.id = $1 AND u.turn = $2 AND u.stage = 'poll' AND u.channel_id = $3",
            )
            .bind(at.row.0) // $1 id
            .bind(at.turn.0) // $2 turn
            .bind(channel.0) // $3 channel_id
            .fetch_optional(&mut *tx)
            .await?;
            jobs.extend(found.and_then(|found| good(&found, row::poll_job)));
        }
        tx.roll_back().await?;
        Ok(jobs)
    }

    pub(in crate::store) async fn renew_leases(
        &self,
        tasks: &[AtTurn],
        until: Millis,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        for at in tasks {
            sqlx::query(
                "UPDATE unfinished_tasks
                 SET due_at = max(due_at, $3)
                 WHERE id = $1 AND turn = $2 AND stage <> 'submit'",
            )
            .bind(at.row.0) // $1 id
            .bind(at.turn.0) // $2 turn
            .bind(until.0) // $3 due_at
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Writes the narrow rows of the tasks that are still at their turn, the wide rows and the clips of those
/// that have an update, and a line of history where the status changed. `polled` is sorted by task.
pub(super) async fn write_polled(
    connection: &mut SqliteConnection,
    polled: &[Polled],
    now: Millis,
) -> Result<Vec<AtTurn>> {
    let mut written: Vec<AtTurn> = Vec::with_capacity(polled.len());
    for task in polled {
        // A task that is named at two turns is written once.
        if written.last().is_some_and(|at| at.row == task.at.row) {
            continue;
        }
        let narrow: Option<(i64, i64)> = sqlx::query_as(
            "UPDATE unfinished_tasks
             SET turn = turn + 1, due_at = $3, polls = $4, missing = $5,
                 digest = coalesce($6, digest)
             WHERE id = $1 AND turn = $2
             RETURNING id, turn",
        )
        .bind(task.at.row.0) // $1 id
        .bind(task.at.turn.0) // $2 turn
        .bind(task.due_at.0) // $3 due_at
        .bind(task.polls) // $4 polls
        .bind(task.missing) // $5 missing
        .bind(task.update.as_ref().map(|update| update.digest)) // $6 digest
        .fetch_optional(&mut *connection)
        .await?;
        let Some(at) = narrow.map(at_turn) else {
            continue;
        };
        if let Some(update) = &task.update {
            write_update(connection, at, update, now).await?;
        }
        written.push(at);
    }
    Ok(written)
}

async fn write_update(
    connection: &mut SqliteConnection,
    at: AtTurn,
    update: &TaskUpdate,
    now: Millis,
) -> Result<()> {
    let status_before: String = sqlx::query_scalar("SELECT status FROM tasks WHERE id = $1")
        .bind(at.row.0)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE tasks
         SET status = $2, progress = max(progress, $3), data = coalesce($4, data),
             updated_at = $5,
             start_time = CASE WHEN start_time = 0 AND $2 = $6 THEN $5 ELSE start_time END
         WHERE id = $1",
    )
    .bind(at.row.0) // $1 id
    .bind(update.status.as_str()) // $2 status
    .bind(update.progress.percent()) // $3 progress
    .bind(&update.data) // $4 data
    .bind(now.seconds()) // $5 updated_at
    .bind(Status::InProgress.as_str()) // $6 the status that sets start_time
    .execute(&mut *connection)
    .await?;
    if status_before != update.status.as_str() {
        history::note(connection, at, STATUS, &[update.status.as_str()], now).await?;
    }
    write_clips(connection, at.row, update.data.as_deref()).await
}

/// Writes the clips of a task's result. The task must be in the wide table.
pub(super) async fn write_clips(
    connection: &mut SqliteConnection,
    task: RowId,
    result: Option<&str>,
) -> Result<()> {
    for (row, clip) in clips::of_results([(task, result)].into_iter()) {
        sqlx::query(
            "INSERT INTO clips (user_id, clip_id, task)
             SELECT user_id, $2, id FROM tasks WHERE id = $1
             ON CONFLICT DO NOTHING",
        )
        .bind(row.0) // $1 task
        .bind(clip) // $2 clip_id
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
