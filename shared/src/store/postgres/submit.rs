//! Submitting: the job, the intention, and the outcomes that leave the task unfinished.

use sqlx::PgPool;

use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row;
use crate::store::turns::{Accepted, AtTurn, Begun, Intention, SubmitJob};
use crate::task::{Progress, RowId, Status, Turn};

/// See [`crate::store::Store::submit_jobs`]. No task may be named twice at one turn.
pub(super) async fn jobs(pool: &PgPool, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
    // LATERAL and OFFSET: each is looked up by its id, see `polls::jobs`.
    let found = sqlx::query(
        "SELECT u.id, u.turn, u.stage, u.pinned_channel, u.channel_id, u.attempts, u.due_at,
                u.deadline, t.task_id, t.platform, t.action, t.request
         FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, turn)
         CROSS JOIN LATERAL (SELECT * FROM unfinished_tasks WHERE id = x.id OFFSET 0) AS u
         JOIN tasks t ON t.id = u.id
         WHERE u.turn = x.turn AND u.stage <> 'poll'",
    )
    .bind(tasks.iter().map(|at| at.row.0).collect::<Vec<_>>())
    .bind(tasks.iter().map(|at| at.turn.0).collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    found.iter().map(row::submit_job).collect()
}

/// See [`crate::store::Store::begin_submits`].
pub(super) async fn begin(
    pool: &PgPool,
    intentions: &[Intention],
    lease_until: Millis,
    now: Millis,
) -> Result<Vec<Begun>> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "WITH claimed AS (
             UPDATE unfinished_tasks u
             SET turn = x.turn + 1, stage = 'sending', channel_id = x.channel, due_at = $5,
                 claim = x.claim
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[])
                  AS x (id, turn, channel, claim)
             WHERE u.id = x.id
               AND (u.turn = x.turn AND u.stage = 'submit'
                    OR u.turn = x.turn + 1 AND u.stage = 'sending' AND u.claim = x.claim)
             RETURNING u.id, u.turn, u.channel_id, u.claim
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT c.id, $6, c.turn, $7,
                    'to channel ' || (SELECT name FROM channels WHERE id = c.channel_id)
             FROM claimed c
             -- A caller who lost the answer, and calls again, is about to send once all the same.
             WHERE NOT EXISTS (
                 SELECT 1 FROM task_events e
                 WHERE e.task_id = c.id AND e.turn = c.turn AND e.kind = $7
             )
         )
         SELECT id, turn, claim FROM claimed",
    )
    .bind(
        intentions
            .iter()
            .map(|one| one.at.row.0)
            .collect::<Vec<_>>(),
    )
    .bind(
        intentions
            .iter()
            .map(|one| one.at.turn.0)
            .collect::<Vec<_>>(),
    )
    .bind(
        intentions
            .iter()
            .map(|one| one.channel.0)
            .collect::<Vec<_>>(),
    )
    .bind(intentions.iter().map(|one| one.claim).collect::<Vec<_>>())
    .bind(lease_until.0)
    .bind(now.0)
    .bind(event::SENDING)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, turn, claim)| Begun {
            at: AtTurn {
                row: RowId(id),
                turn: Turn(turn),
            },
            claim,
        })
        .collect())
}

/// See [`crate::store::Store::retry_submit`].
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

/// See [`crate::store::Store::accept`]: those that still are at their turn, their history, and what
/// their channels have used.
pub(super) async fn accept(pool: &PgPool, tasks: &[Accepted], now: Millis) -> Result<Vec<AtTurn>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "WITH polling AS (
             UPDATE unfinished_tasks u
             SET turn = u.turn + 1, stage = 'poll', channel_id = x.channel,
                 upstream_id = x.upstream_id, due_at = x.due_at
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[])
                  AS x (id, turn, channel, upstream_id, due_at)
             WHERE u.id = x.id AND u.turn = x.turn AND u.stage = 'sending'
             RETURNING u.id, u.turn, u.channel_id, u.upstream_id
         ), accepted AS (
             UPDATE tasks t
             SET status = $6, progress = $7, channel_id = p.channel_id,
                 upstream_id = p.upstream_id, updated_at = $8
             FROM polling p
             WHERE t.id = p.id
             RETURNING t.id, p.turn, t.channel_id, t.upstream_id, t.quota
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT a.id, $9, a.turn, $10, 'by channel ' || c.name || ' as ' || a.upstream_id
             FROM accepted a
             JOIN channels c ON c.id = a.channel_id
         ), raised AS (
             -- One write of a row that all who submit to the channel write.
             UPDATE channels c
             SET used_quota = c.used_quota + used.quota
             FROM (SELECT channel_id, sum(quota)::BIGINT AS quota
                   FROM accepted
                   GROUP BY channel_id
                   ORDER BY channel_id) AS used
             WHERE c.id = used.channel_id
         )
         SELECT id, turn FROM accepted",
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
    .bind(Status::Submitted.as_str())
    .bind(i64::from(
        Progress::NONE.advance(Status::Submitted, None).percent(),
    ))
    .bind(now.seconds())
    .bind(now.0)
    .bind(event::ACCEPTED)
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
