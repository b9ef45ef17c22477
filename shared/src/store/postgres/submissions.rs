//! Charge, task and ledger in one transaction, once for each idempotency key.

use async_trait::async_trait;

use super::PostgresStore;
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::store::books::event;
use crate::store::detach::detach;
use crate::store::row::{self, Cells as _};
use crate::store::submissions::{
    Continuable, IDEMPOTENCY_KEPT, Idempotency, NewTask, Submissions, Submitted,
};
use crate::store::{Result, StoreError};
use crate::task::{ChannelId, Quota, RowId, Status, TaskId, UserId, money};

type Tx = sqlx::PgTransaction<'static>;

#[async_trait]
impl Submissions for PostgresStore {
    async fn submit(&self, task: NewTask, now: Millis) -> Result<Submitted> {
        let pool = self.pool.clone();
        detach(async move {
            // Every early return drops the transaction, and with it all that it did.
            let mut tx = pool.begin().await?;
            if let Some(idempotency) = &task.idempotency
                && !remember(&mut tx, &task, idempotency, now).await?
            {
                return repeated(&mut tx, &task, idempotency).await;
            }
            let Some(price) = price(&mut tx, &task).await? else {
                return Ok(Submitted::NoChannel);
            };
            if !charge_user(&mut tx, task.user, price).await?
                || !charge_key(&mut tx, &task, price).await?
            {
                return Ok(Submitted::QuotaNotEnough);
            }
            let row = insert_task(&mut tx, &task, price, now).await?;
            tx.commit().await?;
            Ok(Submitted::Stored(row))
        })
        .await
    }

    async fn continuable(
        &self,
        user: UserId,
        task: &TaskId,
    ) -> Result<Option<Option<Continuable>>> {
        let found = sqlx::query(
            "SELECT channel_id, upstream_id FROM tasks WHERE task_id = $1 AND user_id = $2",
        )
        .bind(task.as_str())
        .bind(user.0)
        .fetch_optional(&self.pool)
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

    async fn forget_idempotency(&self, before: Millis, limit: u32) -> Result<u64> {
        let pool = self.pool.clone();
        detach(async move {
            let done = sqlx::query(
                "DELETE FROM idempotency_keys
                 WHERE (user_id, key) IN (
                     SELECT user_id, key FROM idempotency_keys
                     WHERE created_at < $1
                     LIMIT $2
                     FOR UPDATE SKIP LOCKED
                 )",
            )
            .bind(before.0)
            .bind(i64::from(limit))
            .execute(&pool)
            .await?;
            Ok(done.rows_affected())
        })
        .await
    }
}

/// Writes the idempotency key down, over one that is too old to count. `false`: it stands already.
/// A twin that is not committed yet is waited for, here, by the unique index.
async fn remember(
    tx: &mut Tx,
    task: &NewTask,
    idempotency: &Idempotency,
    now: Millis,
) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO idempotency_keys AS old (user_id, key, request, task_id, created_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id, key) DO UPDATE
         SET request = EXCLUDED.request, task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
         WHERE old.created_at <= $6",
    )
    .bind(task.user.0)
    .bind(&idempotency.key)
    .bind(idempotency.request.as_bytes())
    .bind(task.task_id.as_str())
    .bind(now.0)
    .bind(now.before(IDEMPOTENCY_KEPT).0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn repeated(tx: &mut Tx, task: &NewTask, idempotency: &Idempotency) -> Result<Submitted> {
    let (request, first): (Vec<u8>, String) = sqlx::query_as(
        "SELECT request, task_id FROM idempotency_keys WHERE user_id = $1 AND key = $2",
    )
    .bind(task.user.0)
    .bind(&idempotency.key)
    .fetch_one(&mut **tx)
    .await?;
    if request != SecretDigest::as_bytes(&idempotency.request) {
        return Ok(Submitted::KeyReused);
    }
    Ok(Submitted::Repeated(row::parse(
        "idempotency_keys",
        "task_id",
        task.user.0,
        &first,
    )?))
}

/// The price of the moment; `None` if no enabled channel can serve the task.
async fn price(tx: &mut Tx, task: &NewTask) -> Result<Option<Quota>> {
    let found = sqlx::query(
        "SELECT (SELECT quota FROM prices WHERE platform = $1 AND action = $2) AS price,
                EXISTS (
                    SELECT 1 FROM channels
                    WHERE enabled AND platform = $1 AND ($3::BIGINT IS NULL OR id = $3)
                ) AS served",
    )
    .bind(task.platform.as_str())
    .bind(task.action.as_str())
    .bind(task.pinned.map(|channel| channel.0))
    .fetch_one(&mut **tx)
    .await?;
    if !found.flag("served")? {
        return Ok(None);
    }
    let price = found
        .int_or_null("price")?
        .ok_or_else(|| StoreError::BadRow {
            table: "prices",
            column: "quota",
            id: 0,
            held: format!("no price of {} {}", task.platform, task.action),
        })?;
    Ok(Some(row::quota("prices", "quota", 0, price)?))
}

/// `false`: the quota does not suffice. The condition is checked again under the row's lock.
async fn charge_user(tx: &mut Tx, user: UserId, price: Quota) -> Result<bool> {
    let change = money::charge(price);
    let done = sqlx::query(
        "UPDATE users
         SET quota = quota + $2, used_quota = used_quota + $3, tasks = tasks + 1
         WHERE id = $1 AND quota + $2 >= 0",
    )
    .bind(user.0)
    .bind(change.amount)
    .bind(change.used)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// `false`: the key's limit does not suffice.
async fn charge_key(tx: &mut Tx, task: &NewTask, price: Quota) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE api_keys
         SET used_quota = used_quota + $2
         WHERE id = $1 AND (quota_limit IS NULL OR used_quota + $2 <= quota_limit)",
    )
    .bind(task.key.0)
    .bind(money::charge(price).used)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The task, its narrow row, its charge in the ledger and the first line of its history.
async fn insert_task(tx: &mut Tx, task: &NewTask, price: Quota, now: Millis) -> Result<RowId> {
    let row = sqlx::query_scalar(
        "WITH task AS (
             INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                                created_at, updated_at, submit_time, request, input, user_seq)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $8, $8, $9, $10,
                     (SELECT tasks FROM users WHERE id = $2))
             RETURNING id
         ), unfinished AS (
             INSERT INTO unfinished_tasks (id, due_at, deadline, stage, pinned_channel)
             SELECT id, $11, $12, 'submit', $13 FROM task
         ), entry AS (
             INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
             SELECT $2, $3, id, 'charge', $14, $11 FROM task
         )
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT id, $11, 0, $15, $16 FROM task
         RETURNING task_id",
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
    .bind(now.0)
    .bind(task.deadline.0)
    .bind(task.pinned.map(|channel| channel.0))
    .bind(money::charge(price).amount)
    .bind(event::STORED)
    .bind(format!("charged {price}"))
    .fetch_one(&mut **tx)
    .await?;
    Ok(RowId(row))
}
