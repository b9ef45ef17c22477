//! Polling: the tasks to ask about, and those that wait on.

use std::collections::HashSet;

use sqlx::{PgExecutor, PgPool};

use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row::{self, good};
use crate::store::turns::{AtTurn, PollJob, Waiting};
use crate::task::{ChannelId, RowId, Status, Turn};

/// See [`crate::store::Store::poll_jobs`]. No task may be named twice at one turn.
pub(super) async fn jobs(
    pool: &PgPool,
    channel: ChannelId,
    tasks: &[AtTurn],
) -> Result<Vec<PollJob>> {
    // LATERAL and OFFSET: each is looked up by its id. Without statistics Postgres takes those of a stage and
    // a channel for a handful, and looks through all of them.
    let rows = sqlx::query(
        "SELECT u.id, u.turn, u.upstream_id, u.digest, u.polls, u.missing, u.due_at, u.deadline,
                t.task_id, t.status, t.progress
         FROM unnest($2::BIGINT[], $3::BIGINT[]) AS x (id, turn)
         CROSS JOIN LATERAL (SELECT * FROM unfinished_tasks WHERE id = x.id OFFSET 0) AS u
         JOIN tasks t ON t.id = u.id
         WHERE u.turn = x.turn AND u.stage = 'poll' AND u.channel_id = $1",
    )
    .bind(channel.0)
    .bind(tasks.iter().map(|at| at.row.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|at| at.turn.0).collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    Ok(rows
        .iter()
        .filter_map(|row| good(row, row::poll_job))
        .collect())
}

/// See [`crate::store::Store::hold_polls`].
pub(super) async fn hold(pool: &PgPool, tasks: &[AtTurn], until: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE unfinished_tasks u
         SET due_at = greatest(u.due_at, $3)
         FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, turn)
         WHERE u.id = x.id AND u.turn = x.turn AND u.stage = 'poll'",
    )
    .bind(tasks.iter().map(|at| at.row.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|at| at.turn.0).collect::<Vec<_>>())
    .bind(until.0)
    .execute(pool)
    .await?;
    Ok(())
}

/// Writes what waits on, and what is new of it: the narrow rows of those that still are at their turn,
/// the wide rows of those of them that have news, and a line of history where the status changed. A
/// poll without news touches the narrow table only, and no index.
///
/// The status before comes from the statement's snapshot, in which the narrow row was at its turn: a
/// wide row changes only together with the turn, so nothing was written to it since.
pub(super) async fn wait_on(
    database: impl PgExecutor<'_>,
    waiting: &[Waiting],
    now: Millis,
) -> Result<Vec<AtTurn>> {
    // Once: of a task that is named twice the first is written.
    let mut named = HashSet::with_capacity(waiting.len());
    let waiting: Vec<&Waiting> = waiting
        .iter()
        .filter(|task| named.insert(task.at))
        .collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let news = || waiting.iter().map(|task| task.news.as_ref());
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
             RETURNING t.id, w.turn, t.status, old.status AS status_before
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT id, $12, turn, $13, status
             FROM moved
             WHERE status <> status_before
         )
         SELECT id, turn FROM waits",
    )
    .bind(waiting.iter().map(|task| task.at.row.0).collect::<Vec<_>>())
    .bind(
        waiting
            .iter()
            .map(|task| task.at.turn.0)
            .collect::<Vec<_>>(),
    )
    .bind(waiting.iter().map(|task| task.due_at.0).collect::<Vec<_>>())
    .bind(
        waiting
            .iter()
            .map(|task| i64::from(task.polls))
            .collect::<Vec<_>>(),
    )
    .bind(
        waiting
            .iter()
            .map(|task| i64::from(task.missing))
            .collect::<Vec<_>>(),
    )
    .bind(news().map(|news| Some(news?.digest)).collect::<Vec<_>>())
    .bind(
        news()
            .map(|news| Some(news?.status.as_str()))
            .collect::<Vec<_>>(),
    )
    .bind(
        news()
            .map(|news| Some(i64::from(news?.progress.percent())))
            .collect::<Vec<_>>(),
    )
    .bind(news().map(|news| news?.data.as_deref()).collect::<Vec<_>>())
    .bind(now.seconds())
    .bind(Status::InProgress.as_str())
    .bind(now.0)
    .bind(event::STATUS)
    .fetch_all(database)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, turn)| AtTurn {
            row: RowId(id),
            turn: Turn(turn),
        })
        .collect())
}
