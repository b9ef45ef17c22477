//! The end of tasks: a success; or a failure and its refund, both or neither.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::column::column;
use super::{PostgresStore, polls};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::clips;
use crate::store::row::{self, Cells as _, at_turn};
use crate::store::turns::{Ended, Finished, NO_REQUEST, Polled, Settled};
use crate::task::history::{self, ENDED, REFUNDED};
use crate::task::money::{self, Charged, EntryKind, Refunds};
use crate::task::{AtTurn, ChannelId, End, Status, late};

type Tx = crate::store::session::PgSession;

impl PostgresStore {
    pub(in crate::store) async fn settle(
        &self,
        polled: &[Polled],
        finished: &[Finished],
        now: Millis,
    ) -> Result<Settled> {
        if finished.is_empty() {
            // One statement is a transaction by itself.
            let mut session = self.session().await?;
            let waiting = polls::write_polled(&mut session, polled, now).await?;
            session.commit().await?;
            let finished = Vec::new();
            return Ok(Settled { waiting, finished });
        }
        let mut tx = self.begin().await?;
        let refunded: Vec<i64> = finished
            .iter()
            .filter(|task| task.end.is_refunded())
            .map(|task| task.at.row.0)
            .collect();
        if !polled.is_empty() || !refunded.is_empty() {
            lock(&mut tx, polled, finished).await?;
        }
        if !refunded.is_empty() {
            lock_users(&mut tx, refunded).await?;
        }
        let waiting = polls::write_polled(&mut tx, polled, now).await?;
        let finished = finish(&mut tx, finished, now).await?;
        tx.commit().await?;
        Ok(Settled { waiting, finished })
    }
}

/// Locks the narrow rows of a settle by ascending id, before two statements each write a part of them.
async fn lock(tx: &mut Tx, polled: &[Polled], finished: &[Finished]) -> Result<()> {
    let mut rows = column(polled, |task| task.at.row.0);
    rows.extend(finished.iter().map(|task| task.at.row.0));
    sqlx::query("SELECT id FROM unfinished_tasks WHERE id = ANY ($1) ORDER BY id FOR UPDATE")
        .bind(rows)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Locks the users of tasks that fail, before the triggers lock the counters and lines of these users: whoever submits
/// locks the user first, too.
async fn lock_users(tx: &mut Tx, rows: Vec<i64>) -> Result<()> {
    sqlx::query(
        "SELECT id FROM users
         WHERE id IN (SELECT user_id FROM tasks WHERE id = ANY ($1))
         ORDER BY id
         FOR NO KEY UPDATE",
    )
    .bind(rows) // $1 id
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Ends the tasks that are still at their turn, and returns them.
async fn finish(tx: &mut Tx, finished: &[Finished], now: Millis) -> Result<Vec<Ended>> {
    let ended = end(tx, finished, now).await?;
    let ends: HashMap<AtTurn, &End> = finished.iter().map(|task| (task.at, &task.end)).collect();
    let those = |which: fn(&End) -> bool| {
        let ended = ended.iter().cloned();
        ended
            .filter(|(at, ..)| ends.get(at).is_some_and(|end| which(end)))
            .map(|(at, charged, _)| (at, charged))
            .collect::<Vec<_>>()
    };
    let failed = those(End::is_refunded);
    if !failed.is_empty() {
        refund(tx, &failed, now).await?;
    }
    let at_once = those(End::is_at_once);
    if !at_once.is_empty() {
        // A submit that is answered with the result was charged and accepted, too.
        let used = money::used_by_channels(at_once.iter().map(|(_, charged)| charged));
        let used: Vec<_> = used
            .into_iter()
            .map(|(channel, used)| (channel.0, used))
            .collect();
        add_used(tx, "channels", &used).await?;
    }
    let given_up = those(End::is_given_up);
    if !given_up.is_empty() {
        insert_late(tx, &given_up, now).await?;
    }
    Ok(ended.into_iter().map(|(_, _, ended)| ended).collect())
}

/// Deletes the narrow rows of the tasks that are at their turn, ends these tasks, and writes their clips.
/// Whoever deletes the row ends the task; a second caller finds no row.
async fn end(
    tx: &mut Tx,
    finished: &[Finished],
    now: Millis,
) -> Result<Vec<(AtTurn, Charged, Ended)>> {
    let results = finished.iter();
    let clips = clips::of_results(results.map(|task| (task.at.row, task.data.as_deref())));
    let rows = sqlx::query(
        "WITH taken AS (
             DELETE FROM unfinished_tasks u
             USING unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[],
                          $6::BIGINT[], $7::TEXT[], $15::TEXT[])
                   AS x (id, turn, status, reason, data, channel, detail, upstream_id)
             WHERE u.id = x.id AND u.turn = x.turn
             RETURNING u.id, u.turn, x.status, x.reason, x.data, x.channel, x.detail, x.upstream_id
         ), ended AS (
             UPDATE tasks t
             SET status = x.status, progress = 100, fail_reason = x.reason,
                 data = coalesce(x.data, t.data),
                 channel_id = coalesce(t.channel_id, x.channel),
                 upstream_id = coalesce(t.upstream_id, x.upstream_id),
                 start_time = CASE WHEN t.start_time = 0 AND x.status = $8 THEN $9
                                   ELSE t.start_time END,
                 finish_time = $9, updated_at = $9, request = $14
             FROM taken x
             WHERE t.id = x.id
             RETURNING t.id, x.turn, t.user_id, t.key_id, t.quota, t.action, t.channel_id,
                       t.submit_time, t.upstream_id, x.detail,
                       CASE WHEN t.upstream_id IS NOT NULL THEN t.channel_id END AS accepted_by
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT id, $10, turn, $11, detail
             FROM ended
         ), made AS (
             INSERT INTO clips (user_id, clip_id, task)
             SELECT e.user_id, x.clip_id, e.id
             FROM unnest($12::BIGINT[], $13::TEXT[]) AS x (id, clip_id)
             JOIN ended e ON e.id = x.id
             ORDER BY e.user_id, x.clip_id
             ON CONFLICT DO NOTHING
         )
         SELECT id, turn, user_id, key_id, quota, action, channel_id, submit_time, upstream_id,
                accepted_by
         FROM ended",
    )
    .bind(column(finished, |task| task.at.row.0)) // $1 id
    .bind(column(finished, |task| task.at.turn.0)) // $2 turn
    .bind(column(finished, |task| task.end.status().as_str())) // $3 status
    .bind(column(finished, |task| task.end.reason())) // $4 fail_reason
    .bind(column(finished, |task| task.data.as_deref())) // $5 data
    .bind(column(finished, |task| Some(task.end.answered_by()?.0))) // $6 channel_id
    .bind(column(finished, |task| history::ended(&task.end))) // $7 detail
    .bind(Status::Success.as_str()) // $8 the status that sets start_time
    .bind(now.seconds()) // $9 finish_time
    .bind(now.0) // $10 at
    .bind(ENDED.kind) // $11 kind
    .bind(column(&clips, |(row, _)| row.0)) // $12 task
    .bind(column(&clips, |(_, id)| id.as_str())) // $13 clip_id
    .bind(NO_REQUEST) // $14 request
    .bind(column(finished, |task| task.end.upstream_id())) // $15 upstream_id
    .fetch_all(&mut *tx)
    .await?;
    let ended = |found: &sqlx::postgres::PgRow| {
        let ended = row::ended(found)?;
        let charged = Charged {
            user: ended.user,
            key: ended.key,
            channel: found.int_or_null("accepted_by")?.map(ChannelId),
            price: ended.price,
        };
        let at = at_turn((ended.row.0, found.int("turn")?));
        Ok((at, charged, ended))
    };
    rows.iter().map(ended).collect()
}

/// Gives back what the charges of `failed` took. The ledger's unique index refuses a second refund of a
/// task, and with it the whole transaction.
async fn refund(tx: &mut Tx, failed: &[(AtTurn, Charged)], now: Millis) -> Result<()> {
    insert_refunds(tx, failed, now).await?;
    let Refunds {
        users,
        keys,
        channels,
    } = Refunds::of(failed.iter().map(|(_, charged)| charged));
    let users: Vec<_> = users.into_iter().collect();
    lock_by_id(tx, "users", column(&users, |(user, _)| user.0)).await?;
    sqlx::query(
        "UPDATE users u
         SET quota = u.quota + x.amount, used_quota = u.used_quota + x.used
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS x (id, amount, used)
         WHERE u.id = x.id",
    )
    .bind(column(&users, |(user, _)| user.0)) // $1 id
    .bind(column(&users, |(_, change)| change.amount)) // $2 amount
    .bind(column(&users, |(_, change)| change.used)) // $3 used
    .execute(&mut *tx)
    .await?;
    let keys: Vec<_> = keys.into_iter().map(|(key, used)| (key.0, used)).collect();
    add_used(tx, "api_keys", &keys).await?;
    let channels = channels.into_iter();
    let channels: Vec<_> = channels.map(|(channel, used)| (channel.0, used)).collect();
    add_used(tx, "channels", &channels).await
}

async fn insert_refunds(tx: &mut Tx, failed: &[(AtTurn, Charged)], now: Millis) -> Result<()> {
    sqlx::query(
        "WITH refunded AS (
             SELECT *
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[])
                  AS x (id, turn, user_id, key_id, amount)
         ), entry AS (
             INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
             SELECT user_id, key_id, id, $6, amount, $7
             FROM refunded
         )
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT id, $7, turn, $8, format($9, amount)
         FROM refunded",
    )
    .bind(column(failed, |(at, _)| at.row.0)) // $1 id
    .bind(column(failed, |(at, _)| at.turn.0)) // $2 turn
    .bind(column(failed, |(_, charged)| charged.user.0)) // $3 user_id
    .bind(column(failed, |(_, charged)| charged.key.0)) // $4 key_id
    .bind(column(failed, |(_, charged)| {
        money::refund(charged.price).amount
    })) // $5 amount
    .bind(EntryKind::Refund.as_str()) // $6 kind of the entry
    .bind(now.0) // $7 created_at, at
    .bind(REFUNDED.kind) // $8 kind of the event
    .bind(REFUNDED.detail) // $9 detail
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn lock_by_id(tx: &mut Tx, table: &str, ids: Vec<i64>) -> Result<()> {
    let lock = format!("SELECT id FROM {table} WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE");
    let lock = sqlx::query(AssertSqlSafe(lock));
    lock.bind(ids).execute(&mut *tx).await?;
    Ok(())
}

/// Adds to `used_quota` of keys or channels.
async fn add_used(tx: &mut Tx, table: &str, changes: &[(i64, i64)]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids = column(changes, |(id, _)| *id);
    lock_by_id(tx, table, ids.clone()).await?;
    let add = format!(
        "UPDATE {table} t
         SET used_quota = t.used_quota + x.used
         FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, used)
         WHERE t.id = x.id"
    );
    sqlx::query(AssertSqlSafe(add))
        .bind(ids) // $1 id
        .bind(column(changes, |(_, used)| *used)) // $2 used
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Schedules looks at tasks that we gave up and that an upstream may still make.
async fn insert_late(tx: &mut Tx, given_up: &[(AtTurn, Charged)], now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO late_tasks (id, channel_id, upstream_id, due_at)
         SELECT id, channel_id, upstream_id, $2
         FROM tasks
         WHERE id = ANY ($1) AND upstream_id IS NOT NULL",
    )
    .bind(column(given_up, |(at, _)| at.row.0)) // $1 id
    .bind(late::first_look(now).0) // $2 due_at
    .execute(&mut *tx)
    .await?;
    Ok(())
}
