//! Tasks that were forgotten on the way, put off, or given up.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row;
use crate::store::turns::{AtTurn, LateTask, Overdue};
use crate::task::{RowId, Status, Turn};

/// How often a task that was given up is looked at, and how far apart: six times, 5 min.
const LATE_LOOKS: i64 = 6;
const LATE_LOOK_EVERY: Duration = Duration::from_mins(5);

/// See [`crate::store::Store::sweep`].
pub(super) async fn overdue(
    store: &SqliteStore,
    due_before: Millis,
    lease_until: Millis,
    limit: u32,
    now: Millis,
) -> Result<Vec<Overdue>> {
    let mut tx = store.begin().await?;
    let found = sqlx::query(
        "SELECT id, turn, due_at, CASE WHEN stage = 'poll' THEN channel_id END AS poll_at
         FROM unfinished_tasks
         WHERE due_at < ?
         ORDER BY due_at
         LIMIT ?",
    )
    .bind(due_before.0)
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let overdue: Vec<Overdue> = found.iter().map(row::overdue).collect::<Result<_>>()?;
    for task in &overdue {
        lease(&mut tx, task.at.row, lease_until).await?;
        note_swept(&mut tx, task, now).await?;
    }
    tx.commit().await?;
    Ok(overdue)
}

async fn lease(connection: &mut SqliteConnection, row: RowId, until: Millis) -> Result<()> {
    sqlx::query("UPDATE unfinished_tasks SET due_at = ? WHERE id = ?")
        .bind(until.0)
        .bind(row.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// One line of history a turn, however often the task is found.
async fn note_swept(connection: &mut SqliteConnection, task: &Overdue, now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT ?1, ?2, ?3, ?4, ?5
         WHERE NOT EXISTS (
             SELECT 1
             FROM task_events
             WHERE task_id = ?1
               AND turn = ?3
               AND kind = ?4
         )",
    )
    .bind(task.at.row.0)
    .bind(now.0)
    .bind(task.at.turn.0)
    .bind(event::SWEPT)
    .bind(format!(
        "overdue for {} s, published again",
        now.since(task.due_at).as_secs()
    ))
    .execute(connection)
    .await?;
    Ok(())
}

/// See [`crate::store::Store::postpone`].
pub(super) async fn postpone(
    store: &SqliteStore,
    tasks: &[AtTurn],
    due_at: Millis,
) -> Result<Vec<AtTurn>> {
    let mut tx = store.begin().await?;
    let mut postponed: Vec<AtTurn> = Vec::with_capacity(tasks.len());
    for &at in tasks {
        // Once a call: the turn that this one gives is nobody's to put off yet.
        if postponed.iter().any(|done| done.row == at.row) {
            continue;
        }
        postponed.extend(postpone_one(&mut tx, at, due_at).await?);
    }
    tx.commit().await?;
    Ok(postponed)
}

async fn postpone_one(
    connection: &mut SqliteConnection,
    at: AtTurn,
    due_at: Millis,
) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "UPDATE unfinished_tasks
         SET turn = turn + 1, due_at = ?3
         WHERE id = ?1
           AND turn = ?2
           AND stage <> 'sending'
         RETURNING turn",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(due_at.0)
    .fetch_optional(connection)
    .await?;
    Ok(turn.map(|turn| AtTurn {
        row: at.row,
        turn: Turn(turn),
    }))
}

/// See [`crate::store::Store::late_tasks`].
pub(super) async fn late(store: &SqliteStore, now: Millis, limit: u32) -> Result<Vec<LateTask>> {
    let mut tx = store.begin().await?;
    let tasks = count_looks(&mut tx, now, limit).await?;
    forget_looked_at(&mut tx).await?;
    tx.commit().await?;
    Ok(tasks)
}

async fn count_looks(
    connection: &mut SqliteConnection,
    now: Millis,
    limit: u32,
) -> Result<Vec<LateTask>> {
    let rows = sqlx::query(
        "UPDATE late_tasks
         SET looks = looks + 1, due_at = ?2
         WHERE id IN (
             SELECT id
             FROM late_tasks
             WHERE due_at <= ?1
             ORDER BY due_at
             LIMIT ?3
         )
         RETURNING id, channel_id, upstream_id,
                   (SELECT t.task_id FROM tasks AS t WHERE t.id = late_tasks.id) AS task_id",
    )
    .bind(now.0)
    .bind(now.after(LATE_LOOK_EVERY).0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(row::late_task).collect()
}

/// The table holds the few tasks of the last half hour that were given up.
async fn forget_looked_at(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query(
        "DELETE FROM late_tasks
         WHERE looks >= ?",
    )
    .bind(LATE_LOOKS)
    .execute(connection)
    .await?;
    Ok(())
}

/// See [`crate::store::Store::note_late`].
pub(super) async fn note_late(
    store: &SqliteStore,
    row: RowId,
    status: Status,
    data: Option<&str>,
    now: Millis,
) -> Result<Option<Turn>> {
    let mut tx = store.begin().await?;
    let Some(at) = failed_at(&mut tx, row).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    let is_news = !is_noted(&mut tx, row).await?;
    if is_news {
        let detail = match data {
            Some(data) => format!("{status}: {data}"),
            None => status.to_string(),
        };
        history::note(&mut tx, at, event::LATE, &detail, now).await?;
    }
    forget_late(&mut tx, row).await?;
    tx.commit().await?;
    Ok(is_news.then_some(at.turn))
}

/// The last turn of a task that failed; `None` if it did not.
async fn failed_at(connection: &mut SqliteConnection, row: RowId) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "SELECT max(e.turn)
         FROM tasks AS t
         JOIN task_events AS e ON e.task_id = t.id
         WHERE t.id = ?
           AND t.status = ?
         GROUP BY t.id",
    )
    .bind(row.0)
    .bind(Status::Failure.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(turn.map(|turn| AtTurn {
        row,
        turn: Turn(turn),
    }))
}

async fn is_noted(connection: &mut SqliteConnection, row: RowId) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT 1
             FROM task_events
             WHERE task_id = ?
               AND kind = ?
         )",
    )
    .bind(row.0)
    .bind(event::LATE)
    .fetch_one(connection)
    .await?)
}

async fn forget_late(connection: &mut SqliteConnection, row: RowId) -> Result<()> {
    sqlx::query(
        "DELETE FROM late_tasks
         WHERE id = ?",
    )
    .bind(row.0)
    .execute(connection)
    .await?;
    Ok(())
}
