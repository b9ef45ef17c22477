//! The end of tasks: SUCCESS; or FAILURE and its refund, together or not at all.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::{Tx, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row::{self, Cells as _};
use crate::store::turns::{AtTurn, End, Finished};
use crate::task::money::{self, EntryKind};
use crate::task::{ChannelId, KeyId, Quota, RowId, Status, UserId};

/// How long after its deadline a task that was given up is looked at for the first time: 1 min.
const FIRST_LATE_LOOK: Duration = Duration::from_mins(1);

/// Who paid for a task, and how much.
struct Paid {
    user: UserId,
    key: KeyId,
    /// The channel that had accepted it, if one had.
    accepted_by: Option<ChannelId>,
    quota: Quota,
}

/// Ends those of `finished` that still are at their turn; returns them.
pub(super) async fn finish(tx: &mut Tx, finished: &[Finished], now: Millis) -> Result<Vec<RowId>> {
    let mut ended = Vec::with_capacity(finished.len());
    for task in finished {
        // Whoever removes the narrow row ends the task; a second one finds nothing.
        if delete_narrow(tx, task.at).await? {
            end(tx, task, now).await?;
            ended.push(task.at.row);
        }
    }
    Ok(ended)
}

async fn end(tx: &mut Tx, task: &Finished, now: Millis) -> Result<()> {
    let at = task.at;
    match &task.end {
        End::Success => {
            succeed(tx, task, now).await?;
            history::note(tx, at, event::ENDED, Status::Success.as_str(), now).await
        }
        End::Failure {
            reason,
            channel,
            given_up,
        } => {
            let paid = fail(tx, task, reason, *channel, now).await?;
            let detail = format!("{}: {reason}", Status::Failure);
            history::note(tx, at, event::ENDED, &detail, now).await?;
            refund(tx, at, &paid, now).await?;
            if *given_up {
                keep_watching(tx, at.row, now).await?;
            }
            Ok(())
        }
    }
}

async fn delete_narrow(connection: &mut SqliteConnection, at: AtTurn) -> Result<bool> {
    let done = sqlx::query(
        "DELETE FROM unfinished_tasks
         WHERE id = ?
           AND turn = ?",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A task that was never seen in progress was so, at the latest, when it ended.
async fn succeed(connection: &mut SqliteConnection, task: &Finished, now: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE tasks
         SET status = ?2,
             progress = 100,
             data = coalesce(?3, data),
             start_time = CASE WHEN start_time = 0 THEN ?4 ELSE start_time END,
             finish_time = ?4,
             updated_at = ?4
         WHERE id = ?1",
    )
    .bind(task.at.row.0)
    .bind(Status::Success.as_str())
    .bind(&task.data)
    .bind(now.seconds())
    .execute(connection)
    .await?;
    Ok(())
}

async fn fail(
    connection: &mut SqliteConnection,
    task: &Finished,
    reason: &str,
    channel: Option<ChannelId>,
    now: Millis,
) -> Result<Paid> {
    let id = task.at.row.0;
    let failed = sqlx::query(
        "UPDATE tasks
         SET status = ?2,
             progress = 100,
             fail_reason = ?3,
             data = coalesce(?4, data),
             channel_id = coalesce(channel_id, ?5),
             finish_time = ?6,
             updated_at = ?6
         WHERE id = ?1
         RETURNING user_id, key_id, quota,
                   CASE WHEN upstream_id IS NOT NULL THEN channel_id END AS accepted_by",
    )
    .bind(id)
    .bind(Status::Failure.as_str())
    .bind(reason)
    .bind(&task.data)
    .bind(channel.map(|channel| channel.0))
    .bind(now.seconds())
    .fetch_one(connection)
    .await?;
    Ok(Paid {
        user: UserId(failed.int("user_id")?),
        key: KeyId(failed.int("key_id")?),
        accepted_by: failed.int_or_null("accepted_by")?.map(ChannelId),
        quota: row::quota("tasks", "quota", id, failed.int("quota")?)?,
    })
}

/// Gives back all that the charge took: ledger, user, key, channel. A second refund of a task fails
/// on the ledger's unique index, and everything with it.
async fn refund(tx: &mut Tx, at: AtTurn, paid: &Paid, now: Millis) -> Result<()> {
    insert_refund(tx, at.row, paid, now).await?;
    give_back_to_user(tx, paid).await?;
    give_back_to_key(tx, paid).await?;
    if let Some(channel) = paid.accepted_by {
        give_back_to_channel(tx, channel, paid.quota).await?;
    }
    let detail = format!("gave back {}", paid.quota);
    history::note(tx, at, event::REFUNDED, &detail, now).await
}

async fn insert_refund(
    connection: &mut SqliteConnection,
    row: RowId,
    paid: &Paid,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(paid.user.0)
    .bind(paid.key.0)
    .bind(row.0)
    .bind(EntryKind::Refund.as_str())
    .bind(money::refund(paid.quota).amount)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

async fn give_back_to_user(connection: &mut SqliteConnection, paid: &Paid) -> Result<()> {
    let change = money::refund(paid.quota);
    sqlx::query(
        "UPDATE users
         SET quota = quota + ?2,
             used_quota = used_quota + ?3
         WHERE id = ?1",
    )
    .bind(paid.user.0)
    .bind(change.amount)
    .bind(change.used)
    .execute(connection)
    .await?;
    Ok(())
}

async fn give_back_to_key(connection: &mut SqliteConnection, paid: &Paid) -> Result<()> {
    sqlx::query(
        "UPDATE api_keys
         SET used_quota = used_quota + ?2
         WHERE id = ?1",
    )
    .bind(paid.key.0)
    .bind(money::refund(paid.quota).used)
    .execute(connection)
    .await?;
    Ok(())
}

async fn give_back_to_channel(
    connection: &mut SqliteConnection,
    channel: ChannelId,
    quota: Quota,
) -> Result<()> {
    sqlx::query(
        "UPDATE channels
         SET used_quota = used_quota + ?2
         WHERE id = ?1",
    )
    .bind(channel.0)
    .bind(money::refund(quota).used)
    .execute(connection)
    .await?;
    Ok(())
}

/// What we gave up the upstream may make yet: it is looked at a few times more.
async fn keep_watching(connection: &mut SqliteConnection, row: RowId, now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO late_tasks (id, channel_id, upstream_id, due_at)
         SELECT id, channel_id, upstream_id, ?2
         FROM tasks
         WHERE id = ?1
           AND upstream_id IS NOT NULL",
    )
    .bind(row.0)
    .bind(now.after(FIRST_LATE_LOOK).0)
    .execute(connection)
    .await?;
    Ok(())
}
