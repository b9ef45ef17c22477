//! Polling: the claim, and the tasks that wait on.

use std::collections::HashMap;

use sqlx::PgPool;

use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row::{self, good};
use crate::store::turns::{AtTurn, News, PollJob, Waiting};
use crate::task::{ChannelId, RowId, Status, Turn};

type Tx = sqlx::PgTransaction<'static>;

/// See [`crate::store::Turns::claim_polls`].
pub(super) async fn claim(
    pool: &PgPool,
    channel: ChannelId,
    tasks: &[AtTurn],
    lease_until: Millis,
) -> Result<Vec<PollJob>> {
    // `was` is the row as it was: RETURNING knows only what became of it.
    let rows = sqlx::query(
        "UPDATE unfinished_tasks u
         SET turn = u.turn + 1, due_at = $4
         FROM unnest($2::BIGINT[], $3::BIGINT[]) AS x (id, turn), unfinished_tasks was, tasks t
         WHERE u.id = x.id AND u.turn = x.turn AND u.stage = 'poll' AND u.channel_id = $1
           AND was.id = u.id AND t.id = u.id
         RETURNING u.id, u.turn, u.upstream_id, u.digest, u.polls, u.missing, was.due_at, u.deadline,
                   t.task_id, t.status, t.progress",
    )
    .bind(channel.0)
    .bind(tasks.iter().map(|at| at.row.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|at| at.turn.0).collect::<Vec<_>>())
    .bind(lease_until.0)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .iter()
        .filter_map(|row| good(row, row::poll_job))
        .collect())
}

/// Writes what waits on, and what is new of it.
pub(super) async fn wait_on(tx: &mut Tx, waiting: &[Waiting], now: Millis) -> Result<Vec<AtTurn>> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let written = update_narrow(tx, waiting).await?;
    // By row and turn: what else is said of a task, for a turn that is gone, is no news. And once:
    // of a task that is named twice the first is written.
    let mut unheard: HashMap<AtTurn, AtTurn> =
        written.iter().map(|at| (before(*at), *at)).collect();
    let news: Vec<(AtTurn, &News)> = waiting
        .iter()
        .filter_map(|task| Some((unheard.remove(&task.at)?, task.news.as_ref()?)))
        .collect();
    if !news.is_empty() {
        update_wide(tx, &news, now).await?;
    }
    Ok(written)
}

fn before(at: AtTurn) -> AtTurn {
    AtTurn {
        row: at.row,
        turn: Turn(at.turn.0 - 1),
    }
}

/// The narrow rows alone: all that a poll without news writes. No index but the sweep's is touched.
async fn update_narrow(tx: &mut Tx, waiting: &[Waiting]) -> Result<Vec<AtTurn>> {
    let digests = waiting
        .iter()
        .map(|task| task.news.as_ref().map(|news| news.digest));
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE unfinished_tasks u
         SET turn = u.turn + 1, due_at = x.due_at, polls = x.polls, missing = x.missing,
             digest = coalesce(x.digest, u.digest)
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
                     $6::BIGINT[]) AS x (id, turn, due_at, polls, missing, digest)
         WHERE u.id = x.id AND u.turn = x.turn
         RETURNING u.id, u.turn",
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
    .bind(digests.collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, turn)| AtTurn {
            row: RowId(id),
            turn: Turn(turn),
        })
        .collect())
}

/// The wide rows, and a line of history where the status changed. `old` is the rows as they were
/// before: both parts of the statement see one snapshot.
async fn update_wide(tx: &mut Tx, news: &[(AtTurn, &News)], now: Millis) -> Result<()> {
    sqlx::query(
        "WITH old AS (
             SELECT id, status FROM tasks WHERE id = ANY ($1)
         ), new AS (
             UPDATE tasks t
             SET status = x.status, progress = greatest(t.progress, x.progress),
                 data = coalesce(x.data, t.data), updated_at = $6,
                 start_time = CASE WHEN t.start_time = 0 AND x.status = $7 THEN $6
                                   ELSE t.start_time END
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::BIGINT[], $5::TEXT[])
                  AS x (id, turn, status, progress, data)
             WHERE t.id = x.id
             RETURNING t.id, x.turn, t.status
         )
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT new.id, $8, new.turn, $9, new.status
         FROM new
         JOIN old ON old.id = new.id AND old.status <> new.status",
    )
    .bind(news.iter().map(|(at, _)| at.row.0).collect::<Vec<_>>())
    .bind(news.iter().map(|(at, _)| at.turn.0).collect::<Vec<_>>())
    .bind(
        news.iter()
            .map(|(_, news)| news.status.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        news.iter()
            .map(|(_, news)| i64::from(news.progress.percent()))
            .collect::<Vec<_>>(),
    )
    .bind(
        news.iter()
            .map(|(_, news)| news.data.as_deref())
            .collect::<Vec<_>>(),
    )
    .bind(now.seconds())
    .bind(Status::InProgress.as_str())
    .bind(now.0)
    .bind(event::STATUS)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
