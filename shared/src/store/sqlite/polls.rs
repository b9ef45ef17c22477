//! Polling: the claim, and the tasks that wait on.

use std::collections::HashSet;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{SqliteStore, Tx, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row::{self, good};
use crate::store::turns::{AtTurn, News, PollJob, Waiting};
use crate::task::{ChannelId, RowId, Status, Turn};

/// See [`crate::store::Turns::claim_polls`].
pub(super) async fn claim(
    store: &SqliteStore,
    channel: ChannelId,
    tasks: &[AtTurn],
    lease_until: Millis,
) -> Result<Vec<PollJob>> {
    let mut tx = store.begin().await?;
    let mut jobs = Vec::with_capacity(tasks.len());
    let mut claimed = HashSet::with_capacity(tasks.len());
    for &at in tasks {
        // Once a call: this claim's own turn is nobody's to claim yet.
        if !claimed.contains(&at.row)
            && let Some(job) = job(&mut tx, channel, at).await?
        {
            claim_one(&mut tx, at, lease_until).await?;
            claimed.insert(at.row);
            jobs.extend(good(&job, row::poll_job));
        }
    }
    tx.commit().await?;
    Ok(jobs)
}

/// The task as it is before the claim, but for its turn. `None`: it is stale, or not at that channel.
async fn job(
    connection: &mut SqliteConnection,
    channel: ChannelId,
    at: AtTurn,
) -> Result<Option<SqliteRow>> {
    Ok(sqlx::query(
        "SELECT n.id, n.turn + 1 AS turn, n.upstream_id, n.digest, n.polls, n.missing, n.due_at,
                n.deadline, t.task_id, t.status, t.progress
         FROM unfinished_tasks AS n
         JOIN tasks AS t ON t.id = n.id
         WHERE n.id = ?
           AND n.turn = ?
           AND n.stage = 'poll'
           AND n.channel_id = ?",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(channel.0)
    .fetch_optional(connection)
    .await?)
}

async fn claim_one(
    connection: &mut SqliteConnection,
    at: AtTurn,
    lease_until: Millis,
) -> Result<()> {
    sqlx::query(
        "UPDATE unfinished_tasks
         SET turn = turn + 1, due_at = ?
         WHERE id = ?
           AND turn = ?",
    )
    .bind(lease_until.0)
    .bind(at.row.0)
    .bind(at.turn.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes what waits on, and what is new of it.
pub(super) async fn wait_on(tx: &mut Tx, waiting: &[Waiting], now: Millis) -> Result<Vec<AtTurn>> {
    let mut written: Vec<AtTurn> = Vec::with_capacity(waiting.len());
    for task in waiting {
        if written.iter().any(|at| at.row == task.at.row) {
            continue;
        }
        let Some(at) = update_narrow(tx, task).await? else {
            continue;
        };
        if let Some(news) = &task.news {
            let before = status(tx, at.row).await?;
            update_wide(tx, at.row, news, now).await?;
            if before != news.status.as_str() {
                history::note(tx, at, event::STATUS, news.status.as_str(), now).await?;
            }
        }
        written.push(at);
    }
    Ok(written)
}

/// The narrow row: all that a poll without news writes.
async fn update_narrow(
    connection: &mut SqliteConnection,
    task: &Waiting,
) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "UPDATE unfinished_tasks
         SET turn = turn + 1, due_at = ?3, polls = ?4, missing = ?5,
             digest = coalesce(?6, digest)
         WHERE id = ?1
           AND turn = ?2
         RETURNING turn",
    )
    .bind(task.at.row.0)
    .bind(task.at.turn.0)
    .bind(task.due_at.0)
    .bind(task.polls)
    .bind(task.missing)
    .bind(task.news.as_ref().map(|news| news.digest))
    .fetch_optional(connection)
    .await?;
    Ok(turn.map(|turn| AtTurn {
        row: task.at.row,
        turn: Turn(turn),
    }))
}

async fn status(connection: &mut SqliteConnection, row: RowId) -> Result<String> {
    Ok(sqlx::query_scalar(
        "SELECT status
         FROM tasks
         WHERE id = ?",
    )
    .bind(row.0)
    .fetch_one(connection)
    .await?)
}

async fn update_wide(
    connection: &mut SqliteConnection,
    row: RowId,
    news: &News,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "UPDATE tasks
         SET status = ?2,
             progress = max(progress, ?3),
             data = coalesce(?4, data),
             start_time = CASE WHEN start_time = 0 AND ?2 = ?6 THEN ?5 ELSE start_time END,
             updated_at = ?5
         WHERE id = ?1",
    )
    .bind(row.0)
    .bind(news.status.as_str())
    .bind(news.progress.percent())
    .bind(&news.data)
    .bind(now.seconds())
    .bind(Status::InProgress.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
