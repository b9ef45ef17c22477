//! Charge, task and ledger in one transaction, once for each idempotency key.

use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, Tx, history};
use crate::clock::Millis;
use crate::store::books::event;
use crate::store::deciding::Asked;
use crate::store::detach::detach;
use crate::store::gather::to_each;
use crate::store::row::{self, Cells as _};
use crate::store::submissions::{Continuable, IDEMPOTENCY_KEPT, Idempotency, NewTask, Submitted};
use crate::store::turns::AtTurn;
use crate::store::{Result, StoreError};
use crate::task::money::{self, EntryKind};
use crate::task::{ChannelId, Quota, RowId, Status, TaskId, Turn, UserId};

impl SqliteStore {
    pub(in crate::store) async fn submit(&self, task: NewTask, now: Millis) -> Result<Submitted> {
        let store = self.clone();
        // Begun is done: its place in the queue must not go with its caller.
        detach(async move {
            let writer = store.clone();
            let all = |asked: Vec<Asked>| async move {
                match submit_all(&writer, &asked).await {
                    Ok(answers) => answers,
                    Err(error) => to_each(asked.len(), error),
                }
            };
            store.submits.ask(None, Asked { task, now }, all).await
        })
        .await
    }

    pub(in crate::store) async fn continuable(
        &self,
        user: UserId,
        task: &TaskId,
    ) -> Result<Option<Option<Continuable>>> {
        let found = sqlx::query(
            "SELECT channel_id, upstream_id
             FROM tasks
             WHERE task_id = ?
               AND user_id = ?",
        )
        .bind(task.as_str())
        .bind(user.0)
        .fetch_optional(&self.readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let channel = found.int_or_null("channel_id")?.map(ChannelId);
        let upstream_id = found.text_or_null("upstream_id")?;
        Ok(Some(channel.zip(upstream_id).map(
            |(channel, upstream_id)| Continuable {
                channel,
                upstream_id,
            },
        )))
    }

    pub(in crate::store) async fn forget_idempotency(
        &self,
        before: Millis,
        limit: u32,
    ) -> Result<u64> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let forgotten = sqlx::query(
                "DELETE FROM idempotency_keys
                 WHERE rowid IN (
                     SELECT rowid
                     FROM idempotency_keys
                     WHERE created_at < ?
                     LIMIT ?
                 )",
            )
            .bind(before.0)
            .bind(limit)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(forgotten)
        })
        .await
    }
}

/// One transaction, and so one write to the disk, for submits that waited together. What one that is
/// refused, or fails, had written is taken back by itself.
async fn submit_all(store: &SqliteStore, asked: &[Asked]) -> Result<Vec<Result<Submitted>>> {
    let mut tx = store.begin().await?;
    let mut answers = Vec::with_capacity(asked.len());
    let mut any_stored = false;
    for Asked { task, now } in asked {
        sqlx::query("SAVEPOINT one").execute(&mut *tx).await?;
        let answer = submit(&mut tx, task, *now).await;
        if let Ok(Submitted::Stored(_)) = answer {
            any_stored = true;
        } else {
            sqlx::query("ROLLBACK TO one").execute(&mut *tx).await?;
        }
        sqlx::query("RELEASE one").execute(&mut *tx).await?;
        answers.push(answer);
    }
    if any_stored {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(answers)
}

/// Does all of a submit; its caller takes it back unless it is [`Submitted::Stored`].
async fn submit(tx: &mut Tx, task: &NewTask, now: Millis) -> Result<Submitted> {
    if let Some(idempotency) = &task.idempotency
        && !remember(tx, task, idempotency, now).await?
    {
        return repeated(tx, task.user, idempotency).await;
    }
    if !is_served(tx, task).await? {
        return Ok(Submitted::NoChannel);
    }
    let price = price(tx, task).await?;
    if !charge_user(tx, task.user, price).await? || !charge_key(tx, task, price).await? {
        return Ok(Submitted::QuotaNotEnough);
    }
    let row = insert_task(tx, task, price, now).await?;
    insert_unfinished(tx, row, task, now).await?;
    insert_charge(tx, row, task, price, now).await?;
    let at = AtTurn {
        row,
        turn: Turn::FIRST,
    };
    let detail = format!("charged {price}");
    history::note(tx, at, event::STORED, &detail, now).await?;
    Ok(Submitted::Stored(row))
}

/// Writes the idempotency key down, over one that is too old to count. `false`: it stands already.
async fn remember(
    connection: &mut SqliteConnection,
    task: &NewTask,
    idempotency: &Idempotency,
    now: Millis,
) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (user_id, key, request, task_id, created_at)
         VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (user_id, key) DO UPDATE
         SET request = excluded.request,
             task_id = excluded.task_id,
             created_at = excluded.created_at
         WHERE idempotency_keys.created_at <= ?",
    )
    .bind(task.user.0)
    .bind(&idempotency.key)
    .bind(idempotency.request.as_bytes())
    .bind(task.task_id.as_str())
    .bind(now.0)
    .bind(now.before(IDEMPOTENCY_KEPT).0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn repeated(
    connection: &mut SqliteConnection,
    user: UserId,
    idempotency: &Idempotency,
) -> Result<Submitted> {
    let found = sqlx::query(
        "SELECT request = ?3 AS same, task_id
         FROM idempotency_keys
         WHERE user_id = ?1
           AND key = ?2",
    )
    .bind(user.0)
    .bind(&idempotency.key)
    .bind(idempotency.request.as_bytes())
    .fetch_one(connection)
    .await?;
    if !found.flag("same")? {
        return Ok(Submitted::KeyReused);
    }
    let first = found.text("task_id")?;
    let first = row::parse("idempotency_keys", "task_id", user.0, &first)?;
    Ok(Submitted::Repeated(first))
}

/// Whether an enabled channel can serve the task.
async fn is_served(connection: &mut SqliteConnection, task: &NewTask) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT 1
             FROM channels
             WHERE platform = ?1
               AND enabled = 1
               AND (?2 IS NULL OR id = ?2)
         )",
    )
    .bind(task.platform.as_str())
    .bind(task.pinned.map(|channel| channel.0))
    .fetch_one(connection)
    .await?)
}

/// The price of the moment.
async fn price(connection: &mut SqliteConnection, task: &NewTask) -> Result<Quota> {
    let price: Option<i64> = sqlx::query_scalar(
        "SELECT quota
         FROM prices
         WHERE platform = ?
           AND action = ?",
    )
    .bind(task.platform.as_str())
    .bind(task.action.as_str())
    .fetch_optional(connection)
    .await?;
    let price = price.ok_or_else(|| StoreError::BadRow {
        table: "prices",
        column: "quota",
        id: 0,
        held: format!("no price of {} {}", task.platform, task.action),
    })?;
    row::quota("prices", "quota", 0, price)
}

/// `false`: the quota does not suffice.
async fn charge_user(
    connection: &mut SqliteConnection,
    user: UserId,
    price: Quota,
) -> Result<bool> {
    let change = money::charge(price);
    let done = sqlx::query(
        "UPDATE users
         SET quota = quota + ?2,
             used_quota = used_quota + ?3,
             tasks = tasks + 1
         WHERE id = ?1
           AND quota + ?2 >= 0",
    )
    .bind(user.0)
    .bind(change.amount)
    .bind(change.used)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// `false`: the key's limit does not suffice.
async fn charge_key(
    connection: &mut SqliteConnection,
    task: &NewTask,
    price: Quota,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE api_keys
         SET used_quota = used_quota + ?2
         WHERE id = ?1
           AND (quota_limit IS NULL OR used_quota + ?2 <= quota_limit)",
    )
    .bind(task.key.0)
    .bind(money::charge(price).used)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn insert_task(
    connection: &mut SqliteConnection,
    task: &NewTask,
    price: Quota,
    now: Millis,
) -> Result<RowId> {
    let row = sqlx::query_scalar(
        "INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                            created_at, updated_at, submit_time, request, input, user_seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?8, ?8, ?9, ?10,
                 (SELECT tasks FROM users WHERE id = ?2))
         RETURNING id",
    )
    .bind(task.task_id.as_str())
    .bind(task.user.0)
    .bind(task.key.0)
    .bind(task.platform.as_str())
    .bind(task.action.as_str())
    .bind(Status::NotStart.as_str())
    .bind(price.get())
    .bind(now.seconds())
    .bind(&task.request)
    .bind(&task.input)
    .fetch_one(connection)
    .await?;
    Ok(RowId(row))
}

async fn insert_unfinished(
    connection: &mut SqliteConnection,
    row: RowId,
    task: &NewTask,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO unfinished_tasks (id, turn, due_at, deadline, stage, pinned_channel)
         VALUES (?, ?, ?, ?, 'submit', ?)",
    )
    .bind(row.0)
    .bind(Turn::FIRST.0)
    .bind(now.0)
    .bind(task.deadline.0)
    .bind(task.pinned.map(|channel| channel.0))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_charge(
    connection: &mut SqliteConnection,
    row: RowId,
    task: &NewTask,
    price: Quota,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(task.user.0)
    .bind(task.key.0)
    .bind(row.0)
    .bind(EntryKind::Charge.as_str())
    .bind(money::charge(price).amount)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}
