//! Polling: the tasks to ask about, and those that wait on.

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::{SqliteStore, Tx, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row::{self, good};
use crate::store::turns::{AtTurn, News, PollJob, Waiting};
use crate::task::{ChannelId, RowId, Status, Turn};

/// See [`crate::store::Store::poll_jobs`]. No task may be named twice at one turn.
pub(super) async fn jobs(
    readers: &SqlitePool,
    channel: ChannelId,
    tasks: &[AtTurn],
) -> Result<Vec<PollJob>> {
    // One snapshot for all of them, and one connection.
    let mut tx = readers.begin().await?;
    let mut jobs = Vec::with_capacity(tasks.len());
    for &at in tasks {
        if let Some(found) = job(&mut tx, channel, at).await? {
            jobs.extend(good(&found, row::poll_job));
        }
    }
    tx.rollback().await?;
    Ok(jobs)
}

/// `None`: the task is stale, or not at that channel.
async fn job(
    connection: &mut SqliteConnection,
    channel: ChannelId,
    at: AtTurn,
) -> Result<Option<SqliteRow>> {
    Ok(sqlx::query(
        "SELECT n.id, n.turn, n.upstream_id, n.digest, n.polls, n.missing, n.due_at, n.deadline,
                t.task_id, t.status, t.progress
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

/// See [`crate::store::Store::hold_polls`].
pub(super) async fn hold(store: &SqliteStore, tasks: &[AtTurn], until: Millis) -> Result<()> {
    let mut tx = store.begin().await?;
    for at in tasks {
        sqlx::query(
            "UPDATE unfinished_tasks
             SET due_at = max(due_at, ?)
             WHERE id = ?
               AND turn = ?
               AND stage = 'poll'",
        )
        .bind(until.0)
        .bind(at.row.0)
        .bind(at.turn.0)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
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
