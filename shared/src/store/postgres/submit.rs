//! Submitting: the job, the intention, and the outcomes that leave the task unfinished.

use std::collections::BTreeMap;

use sqlx::PgPool;

use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row;
use crate::store::turns::{Accepted, AtTurn, SubmitJob};
use crate::task::{ChannelId, Progress, RowId, Status, Turn};

type Tx = sqlx::PgTransaction<'static>;

/// See [`crate::store::Turns::submit_job`].
pub(super) async fn job(pool: &PgPool, at: AtTurn) -> Result<Option<SubmitJob>> {
    let found = sqlx::query(
        "SELECT u.stage, u.pinned_channel, u.channel_id, u.attempts, u.due_at, u.deadline,
                t.task_id, t.platform, t.action, t.request
         FROM unfinished_tasks u
         JOIN tasks t ON t.id = u.id
         WHERE u.id = $1 AND u.turn = $2 AND u.stage <> 'poll'",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .fetch_optional(pool)
    .await?;
    found.map(|found| row::submit_job(at, &found)).transpose()
}

/// See [`crate::store::Turns::begin_submit`].
pub(super) async fn begin(
    pool: &PgPool,
    at: AtTurn,
    channel: ChannelId,
    claim: i64,
    lease_until: Millis,
    now: Millis,
) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "WITH claimed AS (
             UPDATE unfinished_tasks
             SET turn = $2 + 1, stage = 'sending', channel_id = $3, due_at = $4, claim = $7
             WHERE id = $1
               AND (turn = $2 AND stage = 'submit'
                    OR turn = $2 + 1 AND stage = 'sending' AND claim = $7)
             RETURNING id, turn
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT id, $5, turn, $6, 'to channel ' || (SELECT name FROM channels WHERE id = $3)
             FROM claimed c
             -- A caller who lost the answer, and calls again, is about to send once all the same.
             WHERE NOT EXISTS (
                 SELECT 1 FROM task_events e
                 WHERE e.task_id = c.id AND e.turn = c.turn AND e.kind = $6
             )
         )
         SELECT turn FROM claimed",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(channel.0)
    .bind(lease_until.0)
    .bind(now.0)
    .bind(event::SENDING)
    .bind(claim)
    .fetch_optional(pool)
    .await?;
    Ok(turn.map(|turn| AtTurn {
        row: at.row,
        turn: Turn(turn),
    }))
}

/// See [`crate::store::Turns::retry_submit`].
pub(super) async fn retry(
    pool: &PgPool,
    at: AtTurn,
    counted: bool,
    reason: &str,
    due_at: Millis,
    now: Millis,
) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "WITH withdrawn AS (
             UPDATE unfinished_tasks
             SET turn = turn + 1, stage = 'submit', attempts = attempts + $3, due_at = $4
             WHERE id = $1 AND turn = $2 AND stage = 'sending'
             RETURNING id, turn
         )
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT id, $5, turn, $6, $7
         FROM withdrawn
         RETURNING turn",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(i64::from(counted))
    .bind(due_at.0)
    .bind(now.0)
    .bind(event::NOT_ARRIVED)
    .bind(reason)
    .fetch_optional(pool)
    .await?;
    Ok(turn.map(|turn| AtTurn {
        row: at.row,
        turn: Turn(turn),
    }))
}

/// See [`crate::store::Turns::accept`].
pub(super) async fn accept(pool: &PgPool, tasks: &[Accepted], now: Millis) -> Result<Vec<AtTurn>> {
    let mut tx = pool.begin().await?;
    let accepted = to_polling(&mut tx, tasks).await?;
    let used = to_submitted(&mut tx, &accepted, now).await?;
    for (channel, used) in used {
        raise_channel(&mut tx, channel, used).await?;
    }
    tx.commit().await?;
    Ok(accepted)
}

/// The narrow rows of those that still are at their turn.
async fn to_polling(tx: &mut Tx, tasks: &[Accepted]) -> Result<Vec<AtTurn>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE unfinished_tasks u
         SET turn = u.turn + 1, stage = 'poll', channel_id = x.channel, upstream_id = x.upstream_id,
             due_at = x.due_at
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[])
              AS x (id, turn, channel, upstream_id, due_at)
         WHERE u.id = x.id AND u.turn = x.turn AND u.stage = 'sending'
         RETURNING u.id, u.turn",
    )
    .bind(tasks.iter().map(|task| task.at.row.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|task| task.at.turn.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|task| task.channel.0).collect::<Vec<_>>())
    .bind(
        tasks
            .iter()
            .map(|task| task.upstream_id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(tasks.iter().map(|task| task.due_at.0).collect::<Vec<_>>())
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

/// The wide rows and their history; returns what each channel's tasks cost, channels ascending.
async fn to_submitted(
    tx: &mut Tx,
    accepted: &[AtTurn],
    now: Millis,
) -> Result<BTreeMap<ChannelId, i64>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "WITH accepted AS (
             UPDATE tasks t
             SET status = $2, progress = $3, channel_id = u.channel_id,
                 upstream_id = u.upstream_id, updated_at = $4
             FROM unfinished_tasks u
             WHERE u.id = ANY ($1) AND t.id = u.id
             RETURNING t.id, u.turn, t.channel_id, t.upstream_id, t.quota
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT a.id, $5, a.turn, $6, 'by channel ' || c.name || ' as ' || a.upstream_id
             FROM accepted a
             JOIN channels c ON c.id = a.channel_id
         )
         SELECT channel_id, quota FROM accepted",
    )
    .bind(accepted.iter().map(|at| at.row.0).collect::<Vec<_>>())
    .bind(Status::Submitted.as_str())
    .bind(i64::from(
        Progress::NONE.advance(Status::Submitted, None).percent(),
    ))
    .bind(now.seconds())
    .bind(now.0)
    .bind(event::ACCEPTED)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .fold(BTreeMap::new(), |mut used, (channel, quota)| {
            *used.entry(ChannelId(channel)).or_default() += quota;
            used
        }))
}

async fn raise_channel(tx: &mut Tx, channel: ChannelId, used: i64) -> Result<()> {
    sqlx::query("UPDATE channels SET used_quota = used_quota + $2 WHERE id = $1")
        .bind(channel.0)
        .bind(used)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
