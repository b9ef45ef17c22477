//! The end of tasks: a success; or a failure and its refund, both or neither.

use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, history, polls};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::row::{self, Cells as _};
use crate::store::turns::{Ended, Finished, NO_REQUEST, Polled, Settled};
use crate::task::history::{ENDED, REFUNDED, ended};
use crate::task::money::{self, Charged, EntryKind, Refunds};
use crate::task::{AtTurn, ChannelId, RowId, Status, late};

impl SqliteStore {
    pub(in crate::store) async fn settle(
        &self,
        polled: &[Polled],
        finished: &[Finished],
        now: Millis,
    ) -> Result<Settled> {
        let mut tx = self.begin().await?;
        let waiting = polls::write_polled(&mut tx, polled, now).await?;
        let finished = finish(&mut tx, finished, now).await?;
        tx.commit().await?;
        Ok(Settled { waiting, finished })
    }
}

/// Ends the tasks that are still at their turn, and returns them. Whoever deletes the narrow row ends the
/// task; a second caller finds no row.
async fn finish(
    connection: &mut SqliteConnection,
    finished: &[Finished],
    now: Millis,
) -> Result<Vec<Ended>> {
    let mut all = Vec::with_capacity(finished.len());
    let (mut failed, mut at_once) = (Vec::new(), Vec::new());
    for task in finished {
        let deleted = sqlx::query("DELETE FROM unfinished_tasks WHERE id = $1 AND turn = $2")
            .bind(task.at.row.0) // $1 id
            .bind(task.at.turn.0) // $2 turn
            .execute(&mut *connection)
            .await?;
        if deleted.rows_affected() == 0 {
            continue;
        }
        let (charged, ended) = end(connection, task, now).await?;
        if task.end.is_refunded() {
            failed.push((task.at, charged));
        }
        if task.end.is_at_once() {
            at_once.push(charged);
        }
        if task.end.is_given_up() {
            insert_late(connection, task.at.row, now).await?;
        }
        all.push(ended);
    }
    refund(connection, &failed, now).await?;
    // A submit that is answered with the result was charged and accepted, too.
    add_used(connection, money::used_by_channels(&at_once)).await?;
    Ok(all)
}

/// Writes the wide row, the history and the clips.
async fn end(
    connection: &mut SqliteConnection,
    task: &Finished,
    now: Millis,
) -> Result<(Charged, Ended)> {
    let id = task.at.row.0;
    let found = sqlx::query(
        "UPDATE tasks
         SET status = $2, progress = 100, fail_reason = $3, data = coalesce($4, data),
             channel_id = coalesce(channel_id, $5), upstream_id = coalesce(upstream_id, $9),
             start_time = CASE WHEN start_time = 0 AND $2 = $6 THEN $7 ELSE start_time END,
             finish_time = $7, updated_at = $7, request = $8
         WHERE id = $1
         RETURNING id, user_id, key_id, quota, action, channel_id, submit_time, upstream_id,
                   CASE WHEN upstream_id IS NOT NULL THEN channel_id END AS accepted_by",
    )
    .bind(id) // $1 id
    .bind(task.end.status().as_str()) // $2 status
    .bind(task.end.reason()) // $3 fail_reason
    .bind(&task.data) // $4 data
    .bind(task.end.answered_by().map(|channel| channel.0)) // $5 channel_id
    .bind(Status::Success.as_str()) // $6 the status that sets start_time
    .bind(now.seconds()) // $7 finish_time
    .bind(NO_REQUEST) // $8 request
    .bind(task.end.upstream_id()) // $9 upstream_id
    .fetch_one(&mut *connection)
    .await?;
    history::note(connection, task.at, ENDED, &[&ended(&task.end)], now).await?;
    polls::write_clips(connection, task.at.row, task.data.as_deref()).await?;
    let ended = row::ended(&found)?;
    let charged = Charged {
        user: ended.user,
        key: ended.key,
        channel: found.int_or_null("accepted_by")?.map(ChannelId),
        price: ended.price,
    };
    Ok((charged, ended))
}

/// Gives back what the charges of `failed` took. The ledger's unique index refuses a second refund of a
/// task, and with it the whole transaction.
async fn refund(
    connection: &mut SqliteConnection,
    failed: &[(AtTurn, Charged)],
    now: Millis,
) -> Result<()> {
    for (at, charged) in failed {
        insert_refund(connection, *at, charged, now).await?;
    }
    let refunds = Refunds::of(failed.iter().map(|(_, charged)| charged));
    for (user, change) in refunds.users {
        sqlx::query(
            "UPDATE users SET quota = quota + $2, used_quota = used_quota + $3 WHERE id = $1",
        )
        .bind(user.0) // $1 id
        .bind(change.amount) // $2 quota
        .bind(change.used) // $3 used_quota
        .execute(&mut *connection)
        .await?;
    }
    for (key, used) in refunds.keys {
        sqlx::query("UPDATE api_keys SET used_quota = used_quota + $2 WHERE id = $1")
            .bind(key.0) // $1 id
            .bind(used) // $2 used_quota
            .execute(&mut *connection)
            .await?;
    }
    add_used(connection, refunds.channels).await
}

/// Adds to `used_quota` of channels; what is refunded is below 0.
async fn add_used(
    connection: &mut SqliteConnection,
    channels: impl IntoIterator<Item = (ChannelId, i64)>,
) -> Result<()> {
    for (channel, used) in channels {
        sqlx::query("UPDATE channels SET used_quota = used_quota + $2 WHERE id = $1")
            .bind(channel.0) // $1 id
            .bind(used) // $2 used_quota
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert_refund(
    connection: &mut SqliteConnection,
    at: AtTurn,
    charged: &Charged,
    now: Millis,
) -> Result<()> {
    let amount = money::refund(charged.price).amount;
    sqlx::query(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(charged.user.0) // $1 user_id
    .bind(charged.key.0) // $2 key_id
    .bind(at.row.0) // $3 task_id
    .bind(EntryKind::Refund.as_str()) // $4 kind
    .bind(amount) // $5 amount
    .bind(now.0) // $6 created_at
    .execute(&mut *connection)
    .await?;
    history::note(connection, at, REFUNDED, &[&amount.to_string()], now).await
}

/// Schedules looks at a task that we gave up, if an upstream has it and may still make it.
async fn insert_late(connection: &mut SqliteConnection, row: RowId, now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO late_tasks (id, channel_id, upstream_id, due_at)
         SELECT id, channel_id, upstream_id, $2
         FROM tasks
         WHERE id = $1 AND upstream_id IS NOT NULL",
    )
    .bind(row.0) // $1 id
    .bind(late::first_look(now).0) // $2 due_at
    .execute(connection)
    .await?;
    Ok(())
}
