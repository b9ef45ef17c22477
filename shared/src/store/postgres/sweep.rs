//! Tasks that were forgotten on the way, put off, or given up.

use sqlx::PgPool;

use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row;
use crate::store::turns::{AtTurn, LateTask, Overdue};
use crate::task::{RowId, Status, Turn};

/// How often a task that was given up is looked at, and how far apart: six times, 5 min.
const LATE_LOOKS: i64 = 6;
const LATE_LOOK_EVERY: std::time::Duration = std::time::Duration::from_mins(5);

/// See [`crate::store::Store::sweep`].
pub(super) async fn overdue(
    pool: &PgPool,
    due_before: Millis,
    lease_until: Millis,
    limit: u32,
    now: Millis,
) -> Result<Vec<Overdue>> {
    // SKIP LOCKED: each sweeper gets others, and nobody waits for a settle under way. One line of
    // history a turn: a task whose message stands in a long queue is found again and again.
    let rows = sqlx::query(
        "WITH overdue AS (
             SELECT id, due_at FROM unfinished_tasks
             WHERE due_at < $1
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
             SELECT s.id, $4, s.turn, $5,
                    'overdue for ' || ($4 - s.due_at) / 1000 || ' s, published again'
             FROM swept s
             WHERE NOT EXISTS (
                 SELECT 1 FROM task_events e
                 WHERE e.task_id = s.id AND e.turn = s.turn AND e.kind = $5
             )
         )
         SELECT id, turn, due_at, poll_at FROM swept",
    )
    .bind(due_before.0)
    .bind(lease_until.0)
    .bind(i64::from(limit))
    .bind(now.0)
    .bind(event::SWEPT)
    .fetch_all(pool)
    .await?;
    rows.iter().map(row::overdue).collect()
}

/// See [`crate::store::Store::postpone`].
pub(super) async fn postpone(
    pool: &PgPool,
    tasks: &[AtTurn],
    due_at: Millis,
) -> Result<Vec<AtTurn>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE unfinished_tasks u
         SET turn = u.turn + 1, due_at = $3
         FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, turn)
         WHERE u.id = x.id AND u.turn = x.turn AND u.stage <> 'sending'
         RETURNING u.id, u.turn",
    )
    .bind(tasks.iter().map(|at| at.row.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|at| at.turn.0).collect::<Vec<_>>())
    .bind(due_at.0)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, turn)| AtTurn {
            row: RowId(id),
            turn: Turn(turn),
        })
        .collect())
}

/// See [`crate::store::Store::late_tasks`].
pub(super) async fn late(pool: &PgPool, now: Millis, limit: u32) -> Result<Vec<LateTask>> {
    let mut tx = pool.begin().await?;
    let rows = sqlx::query(
        "WITH due AS (
             SELECT id FROM late_tasks
             WHERE due_at <= $1
             ORDER BY due_at
             LIMIT $3
             FOR UPDATE SKIP LOCKED
         )
         UPDATE late_tasks l
         SET looks = l.looks + 1, due_at = $2
         FROM due
         JOIN tasks t ON t.id = due.id
         WHERE l.id = due.id
         RETURNING l.id, l.channel_id, l.upstream_id, t.task_id",
    )
    .bind(now.0)
    .bind(now.after(LATE_LOOK_EVERY).0)
    .bind(i64::from(limit))
    .fetch_all(&mut *tx)
    .await?;
    let tasks: Vec<LateTask> = rows.iter().map(row::late_task).collect::<Result<_>>()?;
    sqlx::query("DELETE FROM late_tasks WHERE id = ANY ($1) AND looks >= $2")
        .bind(tasks.iter().map(|task| task.row.0).collect::<Vec<_>>())
        .bind(LATE_LOOKS)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(tasks)
}

/// See [`crate::store::Store::note_late`].
pub(super) async fn note_late(
    pool: &PgPool,
    row: RowId,
    status: Status,
    data: Option<&str>,
    now: Millis,
) -> Result<Option<Turn>> {
    let mut tx = pool.begin().await?;
    // The task's row is locked so that of two notes the second sees the first.
    let turn: Option<i64> = sqlx::query_scalar(
        "SELECT (SELECT max(turn) FROM task_events e WHERE e.task_id = t.id)
         FROM tasks t
         WHERE t.id = $1 AND t.status = $2
         FOR NO KEY UPDATE",
    )
    .bind(row.0)
    .bind(Status::Failure.as_str())
    .fetch_optional(&mut *tx)
    .await?
    .flatten();
    let Some(turn) = turn else { return Ok(None) };
    let noted = sqlx::query(
        "INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT $1, $2, $3, $4, $5
         WHERE NOT EXISTS (SELECT 1 FROM task_events WHERE task_id = $1 AND kind = $4)",
    )
    .bind(row.0)
    .bind(now.0)
    .bind(turn)
    .bind(event::LATE)
    .bind(match data {
        Some(data) => format!("{status}: {data}"),
        None => status.to_string(),
    })
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM late_tasks WHERE id = $1")
        .bind(row.0)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((noted.rows_affected() > 0).then_some(Turn(turn)))
}
