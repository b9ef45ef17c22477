//! Submitting: the tasks to submit, the intention, and the outcomes that leave a task unfinished.

use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::row::{self, at_turn};
use crate::store::turns::{Accepted, Intention, Retry, SubmitJob};
use crate::task::history::{ACCEPTED, SENDING};
use crate::task::{AtTurn, ChannelId, Progress, Status};

impl SqliteStore {
    pub(in crate::store) async fn submit_jobs(&self, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
        // One connection and one snapshot for all tasks.
        let mut tx = self.begin_to_read().await?;
        let mut jobs = Vec::with_capacity(tasks.len());
        for at in tasks {
            let found = sqlx::query(
                "SELECT u.id, u.turn, u.user_id, u.stage, u.claim, u.sent_to, u.pinned_channel, u.channel_id, u.attempts, u.due_at,
                        u.deadline, u.last_heard, t.task_id, t.platform, t.action, t.request
                 FROM unfinished_tasks u
                 JOIN tasks t ON t.id = u.id
                 WHERE u.id = $1 AND u.turn = $2 AND u.stage <> 'poll'",
            )
            .bind(at.row.0) // $1 id
            .bind(at.turn.0) // $2 turn
            .fetch_optional(&mut *tx)
            .await?;
            jobs.extend(
                found
                    .as_ref()
                    .and_then(|found| row::good(found, row::submit_job)),
            );
        }
        tx.roll_back().await?;
        Ok(jobs)
    }

    pub(in crate::store) async fn retry_submit(
        &self,
        retry: &Retry,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        let mut tx = self.begin().await?;
        // The channel stays: it is the last that was tried.
        let withdrawn: Option<(i64, i64)> = sqlx::query_as(
            "UPDATE unfinished_tasks
             SET turn = turn + 1, stage = CASE WHEN $5 THEN 'sending' ELSE 'submit' END, claim = NULL,
                 sent_to = CASE WHEN $5 THEN sent_to END, attempts = attempts + $3, due_at = $4,
                 deadline = CASE WHEN $5 THEN deadline ELSE coalesce(send_by, deadline) END,
                 last_heard = coalesce($6, last_heard)
             WHERE id = $1 AND turn = $2 AND stage = 'sending' AND claim IS NOT NULL
             RETURNING id, turn",
        )
        .bind(retry.at.row.0) // $1 id
        .bind(retry.at.turn.0) // $2 turn
        .bind(retry.counted) // $3 attempts
        .bind(retry.due_at.0) // $4 due_at
        .bind(retry.may_have_arrived) // $5 whether the channel gets it again
        .bind(retry.heard.as_deref()) // $6 last_heard
        .fetch_optional(&mut *tx)
        .await?;
        let withdrawn = withdrawn.map(at_turn);
        if let Some(at) = withdrawn {
            history::note(&mut tx, at, retry.event(), &[&retry.reason], now).await?;
        }
        tx.commit().await?;
        Ok(withdrawn)
    }

    pub(in crate::store) async fn accept(
        &self,
        tasks: &[Accepted],
        now: Millis,
    ) -> Result<Vec<AtTurn>> {
        let mut tx = self.begin().await?;
        let mut accepted = Vec::with_capacity(tasks.len());
        for task in tasks {
            let polling: Option<(i64, i64)> = sqlx::query_as(
                "UPDATE unfinished_tasks
                 SET turn = turn + 1, stage = 'poll', channel_id = $3, upstream_id = $4, due_at = $5,
                     accepted_at = $6
                 WHERE id = $1 AND turn = $2 AND stage = 'sending' AND claim IS NOT NULL
                 RETURNING id, turn",
            )
            .bind(task.at.row.0) // $1 id
            .bind(task.at.turn.0) // $2 turn
            .bind(task.channel.0) // $3 channel_id
            .bind(&task.upstream_id) // $4 upstream_id
            .bind(task.due_at.0) // $5 due_at
            .bind(now.0) // $6 accepted_at
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(at) = polling.map(at_turn) {
                accept_one(&mut tx, at, task, now).await?;
                accepted.push(at);
            }
        }
        tx.commit().await?;
        Ok(accepted)
    }
}

/// Writes the wide row, what its channel has used, and the history.
async fn accept_one(
    connection: &mut SqliteConnection,
    at: AtTurn,
    task: &Accepted,
    now: Millis,
) -> Result<()> {
    let progress = Progress::NONE.advance(Status::Submitted, None);
    let price: i64 = sqlx::query_scalar(
        "UPDATE tasks
         SET status = $2, progress = $3, channel_id = $4, upstream_id = $5, updated_at = $6
         WHERE id = $1
         RETURNING quota",
    )
    .bind(at.row.0) // $1 id
    .bind(Status::Submitted.as_str()) // $2 status
    .bind(progress.percent()) // $3 progress
    .bind(task.channel.0) // $4 channel_id
    .bind(&task.upstream_id) // $5 upstream_id
    .bind(now.seconds()) // $6 updated_at
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("UPDATE channels SET used_quota = used_quota + $2 WHERE id = $1")
        .bind(task.channel.0) // $1 id
        .bind(price) // $2 used_quota
        .execute(&mut *connection)
        .await?;
    let name = channel_name(connection, task.channel).await?;
    history::note(connection, at, ACCEPTED, &[&name, &task.upstream_id], now).await
}

async fn channel_name(connection: &mut SqliteConnection, channel: ChannelId) -> Result<String> {
    Ok(
        sqlx::query_scalar("SELECT name FROM channels WHERE id = $1")
            .bind(channel.0)
            .fetch_one(connection)
            .await?,
    )
}

/// Records intentions of tasks that are at their turns, and notes each in the history.
pub(in crate::store) async fn record(
    connection: &mut SqliteConnection,
    intentions: &[&Intention],
    lease_until: Millis,
    now: Millis,
) -> Result<()> {
    for intention in intentions {
        let recorded: (i64, i64) = sqlx::query_as(
            "UPDATE unfinished_tasks
             SET turn = turn + 1, stage = 'sending', channel_id = $2, due_at = $3, claim = $4,
                 sent_to = $5, deadline = CASE WHEN stage = 'submit' THEN $6 ELSE deadline END
             WHERE id = $1
             RETURNING id, turn",
        )
        .bind(intention.at.row.0) // $1 id
        .bind(intention.channel.0) // $2 channel_id
        .bind(lease_until.0) // $3 due_at
        .bind(intention.claim) // $4 claim
        .bind(intention.sent_to) // $5 sent_to
        .bind(intention.deadline.0) // $6 deadline
        .fetch_one(&mut *connection)
        .await?;
        let name = channel_name(connection, intention.channel).await?;
        history::note(connection, at_turn(recorded), SENDING, &[&name], now).await?;
    }
    Ok(())
}
