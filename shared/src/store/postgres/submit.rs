//! Submitting: the tasks to submit, the intention, and the outcomes that leave a task unfinished.

use super::PostgresStore;
use super::column::column;
use crate::clock::Millis;
use crate::store::Result;
use crate::store::row::{self, at_turn};
use crate::store::session::PgSession;
use crate::store::turns::{Accepted, Intention, Retry, SubmitJob};
use crate::task::history::{ACCEPTED, SENDING};
use crate::task::{AtTurn, Progress, Status};

impl PostgresStore {
    pub(in crate::store) async fn submit_jobs(&self, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
        // LATERAL and OFFSET make Postgres look each task up by its id: see `poll_jobs`.
        let mut session = self.session().await?;
        let found = sqlx::query(
            "SELECT u.id, u.turn, u.user_id, u.stage, u.claim, u.sent_to, u.pinned_channel, u.channel_id,
                    u.attempts, u.due_at, u.deadline, u.last_heard, t.task_id, t.platform, t.action, t.request
             FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, turn)
             CROSS JOIN LATERAL (SELECT * FROM unfinished_tasks WHERE id = x.id OFFSET 0) AS u
             JOIN tasks t ON t.id = u.id
             WHERE u.turn = x.turn AND u.stage <> 'poll'",
        )
        .bind(column(tasks, |at| at.row.0)) // $1 id
        .bind(column(tasks, |at| at.turn.0)) // $2 turn
        .fetch_all(&mut session)
        .await?;
        session.commit().await?;
        Ok(found
            .iter()
            .filter_map(|found| row::good(found, row::submit_job))
            .collect())
    }

    pub(in crate::store) async fn retry_submit(
        &self,
        retry: &Retry,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        let mut session = self.session().await?;
        let retried: Option<(i64, i64)> = sqlx::query_as(
            "WITH withdrawn AS (
                 UPDATE unfinished_tasks
                 SET turn = turn + 1, stage = CASE WHEN $8 THEN 'sending' ELSE 'submit' END,
                     claim = NULL, sent_to = CASE WHEN $8 THEN sent_to END,
                     attempts = attempts + $3, due_at = $4,
                     deadline = CASE WHEN $8 THEN deadline ELSE coalesce(send_by, deadline) END,
                     last_heard = coalesce($9, last_heard)
                 WHERE id = $1 AND turn = $2 AND stage = 'sending' AND claim IS NOT NULL
                 RETURNING id, turn
             )
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT id, $5, turn, $6, $7
             FROM withdrawn
             RETURNING task_id, turn",
        )
        .bind(retry.at.row.0) // $1 id
        .bind(retry.at.turn.0) // $2 turn
        .bind(i64::from(retry.counted)) // $3 attempts
        .bind(retry.due_at.0) // $4 due_at
        .bind(now.0) // $5 at
        .bind(retry.event().kind) // $6 kind
        .bind(retry.event().detail(&[&retry.reason])) // $7 detail
        .bind(retry.may_have_arrived) // $8 whether the channel gets it again
        .bind(retry.heard.as_deref()) // $9 last_heard
        .fetch_optional(&mut session)
        .await?;
        session.commit().await?;
        Ok(retried.map(at_turn))
    }

    pub(in crate::store) async fn accept(
        &self,
        tasks: &[Accepted],
        now: Millis,
    ) -> Result<Vec<AtTurn>> {
        let progress = Progress::NONE.advance(Status::Submitted, None);
        // `raised` comes last and writes each channel once: all who submit to a channel write its row.
        let mut session = self.session().await?;
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "WITH polling AS (
                 UPDATE unfinished_tasks u
                 SET turn = u.turn + 1, stage = 'poll', channel_id = x.channel,
                     upstream_id = x.upstream_id, due_at = x.due_at, accepted_at = $9
                 FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[])
                      AS x (id, turn, channel, upstream_id, due_at)
                 WHERE u.id = x.id AND u.turn = x.turn
                   AND u.stage = 'sending' AND u.claim IS NOT NULL
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
                 SELECT a.id, $9, a.turn, $10, format($11, c.name, a.upstream_id)
                 FROM accepted a
                 JOIN channels c ON c.id = a.channel_id
             ), raised AS (
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
        .bind(column(tasks, |task| task.at.row.0)) // $1 id
        .bind(column(tasks, |task| task.at.turn.0)) // $2 turn
        .bind(column(tasks, |task| task.channel.0)) // $3 channel
        .bind(column(tasks, |task| task.upstream_id.as_str())) // $4 upstream_id
        .bind(column(tasks, |task| task.due_at.0)) // $5 due_at
        .bind(Status::Submitted.as_str()) // $6 status
        .bind(i64::from(progress.percent())) // $7 progress
        .bind(now.seconds()) // $8 updated_at
        .bind(now.0) // $9 accepted_at, at
        .bind(ACCEPTED.kind) // $10 kind
        .bind(ACCEPTED.detail) // $11 detail
        .fetch_all(&mut session)
        .await?;
        session.commit().await?;
        Ok(rows.into_iter().map(at_turn).collect())
    }
}

/// Records intentions of tasks that are locked at their turns, and notes each in the history.
pub(in crate::store) async fn record(
    tx: &mut PgSession,
    intentions: &[&Intention],
    lease_until: Millis,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "WITH claimed AS (
             UPDATE unfinished_tasks u
             SET turn = u.turn + 1, stage = 'sending', channel_id = x.channel, due_at = $5,
                 claim = x.claim, sent_to = x.sent_to,
                 deadline = CASE WHEN u.stage = 'submit' THEN x.deadline ELSE u.deadline END
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $9::BIGINT[])
                  AS x (id, channel, claim, sent_to, deadline)
             WHERE u.id = x.id
             RETURNING u.id, u.turn, u.channel_id
         )
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT c.id, $6, c.turn, $7,
                format($8, (SELECT name FROM channels WHERE id = c.channel_id))
         FROM claimed c",
    )
    .bind(column(intentions, |one| one.at.row.0)) // $1 id
    .bind(column(intentions, |one| one.channel.0)) // $2 channel
    .bind(column(intentions, |one| one.claim)) // $3 claim
    .bind(column(intentions, |one| one.sent_to)) // $4 sent_to
    .bind(lease_until.0) // $5 due_at
    .bind(now.0) // $6 at
    .bind(SENDING.kind) // $7 kind
    .bind(SENDING.detail) // $8 detail
    .bind(column(intentions, |one| one.deadline.0)) // $9 deadline
    .execute(tx)
    .await?;
    Ok(())
}
