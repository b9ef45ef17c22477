//! The statements of a batch of submits.

use sqlx::sqlite::SqliteConnection;

use super::super::history;
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::store::Result;
use crate::store::admission::{Facts, PendingSubmit, UsedKeys};
use crate::store::row::{self, Cells as _};
use crate::store::submissions::{Idempotency, NewTask, USED_KEY};
use crate::task::history::STORED;
use crate::task::money::{self, EntryKind};
use crate::task::{AtTurn, Quota, RowId, Status, Turn};

/// Reads the facts of each submit. `None`: its user or key does not exist.
pub(super) async fn facts(
    connection: &mut SqliteConnection,
    batch: &[PendingSubmit],
) -> Result<Vec<Option<Facts>>> {
    let mut facts = Vec::with_capacity(batch.len());
    for PendingSubmit { task, .. } in batch {
        let found = sqlx::query(
            "SELECT u.quota AS balance, k.quota_limit - k.used_quota AS key_left, u.max_waiting,
                    (SELECT coalesce(sum(l.waiting), 0) FROM lines l WHERE l.user_id = u.id) AS waiting,
                    coalesce(
                        (SELECT quota FROM model_prices
                         WHERE platform = $3 AND action = $4 AND model = $6),
                        (SELECT quota FROM prices WHERE platform = $3 AND action = $4)) AS price,
                    EXISTS (
                        SELECT 1 FROM channels
                        WHERE enabled AND platform = $3 AND ($5 IS NULL OR id = $5)
                          AND NOT deleted AND instr(',' || COALESCE(actions, 'song,lyrics') || ',',
                                                    ',' || $4 || ',') > 0
                    ) AS has_channel
             FROM users u
             JOIN api_keys k ON k.id = $2
             WHERE u.id = $1",
        )
        .bind(task.user.0) // $1 user_id
        .bind(task.key.0) // $2 key_id
        .bind(task.platform.as_str()) // $3 platform
        .bind(task.action.as_str()) // $4 action
        .bind(task.pinned.map(|channel| channel.0)) // $5 pinned
        .bind(&task.model) // $6 model
        .fetch_optional(&mut *connection)
        .await?;
        let of_submit = found.as_ref();
        let of_submit = of_submit.map(|found| row::facts(found, found.int("waiting")?));
        facts.push(of_submit.transpose()?);
    }
    Ok(facts)
}

/// The first uses of the batch's idempotency keys, expired ones too.
pub(super) async fn used_keys(
    connection: &mut SqliteConnection,
    batch: &[PendingSubmit],
) -> Result<UsedKeys> {
    let mut used = UsedKeys::new();
    for PendingSubmit { task, .. } in batch {
        let Some(Idempotency { key, .. }) = &task.idempotency else {
            continue;
        };
        let found = sqlx::query(USED_KEY)
            .bind(task.user.0) // $1 user_id
            .bind(key) // $2 key
            .fetch_optional(&mut *connection)
            .await?;
        used.extend(found.as_ref().map(row::first_use).transpose()?);
    }
    Ok(used)
}

/// Charges the user and the key and writes the task with its narrow row, its charge in the ledger, the
/// first line of its history and its idempotency key. The conditions on the balances are met after
/// [`crate::store::admission::decide`]; they stand in the statements all the same.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    PendingSubmit { task, now }: &PendingSubmit,
    price: Quota,
) -> Result<RowId> {
    let change = money::charge(price);
    let user = sqlx::query(
        "UPDATE users
         SET quota = quota + $2, used_quota = used_quota + $3, tasks = tasks + 1
         WHERE id = $1 AND quota + $2 >= 0",
    )
    .bind(task.user.0) // $1 id
    .bind(change.amount) // $2 quota
    .bind(change.used) // $3 used_quota
    .execute(&mut *connection)
    .await?;
    let key = sqlx::query(
        "UPDATE api_keys
         SET used_quota = used_quota + $2
         WHERE id = $1 AND (quota_limit IS NULL OR used_quota + $2 <= quota_limit)",
    )
    .bind(task.key.0) // $1 id
    .bind(change.used) // $2 used_quota
    .execute(&mut *connection)
    .await?;
    let charged = user.rows_affected() + key.rows_affected();
    if charged != 2 {
        return Err(row::not_charged(charged, 2));
    }
    let row = insert_task(connection, task, price, *now).await?;
    sqlx::query(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(task.user.0) // $1 user_id
    .bind(task.key.0) // $2 key_id
    .bind(row.0) // $3 task_id
    .bind(EntryKind::Charge.as_str()) // $4 kind
    .bind(change.amount) // $5 amount
    .bind(now.0) // $6 created_at
    .execute(&mut *connection)
    .await?;
    if let Some(idempotency) = &task.idempotency {
        remember(connection, task, idempotency, *now).await?;
    }
    let at = AtTurn {
        row,
        turn: Turn::FIRST,
    };
    history::note(connection, at, STORED, &[&price.to_string()], *now).await?;
    Ok(row)
}

/// The wide row and the narrow row.
async fn insert_task(
    connection: &mut SqliteConnection,
    task: &NewTask,
    price: Quota,
    now: Millis,
) -> Result<RowId> {
    let row: i64 = sqlx::query_scalar(
        "INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                            created_at, updated_at, submit_time, request, input, user_seq)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $8, $8, $9, $10,
                 (SELECT tasks FROM users WHERE id = $2))
         RETURNING id",
    )
    .bind(task.task_id.as_str()) // $1 task_id
    .bind(task.user.0) // $2 user_id
    .bind(task.key.0) // $3 key_id
    .bind(task.platform.as_str()) // $4 platform
    .bind(task.action.as_str()) // $5 action
    .bind(Status::NotStart.as_str()) // $6 status
    .bind(price.get()) // $7 quota
    .bind(now.seconds()) // $8 created_at, updated_at, submit_time
    .bind(&task.request) // $9 request
    .bind(&task.input) // $10 input
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO unfinished_tasks (id, due_at, deadline, stage, pinned_channel)
         VALUES ($1, $2, $3, 'submit', $4)",
    )
    .bind(row) // $1 id
    .bind(now.0) // $2 due_at
    .bind(task.deadline.0) // $3 deadline
    .bind(task.pinned.map(|channel| channel.0)) // $4 pinned_channel
    .execute(&mut *connection)
    .await?;
    Ok(RowId(row))
}

/// Writes the idempotency key, over an expired one.
async fn remember(
    connection: &mut SqliteConnection,
    task: &NewTask,
    idempotency: &Idempotency,
    now: Millis,
) -> Result<()> {
    let meaning = idempotency.stored_meaning();
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, key, request, meaning, task_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, key) DO UPDATE
         SET request = excluded.request, meaning = excluded.meaning,
             task_id = excluded.task_id, created_at = excluded.created_at",
    )
    .bind(task.user.0) // $1 user_id
    .bind(&idempotency.key) // $2 key
    .bind(idempotency.request.as_bytes()) // $3 request
    .bind(meaning.as_ref().map(SecretDigest::as_bytes)) // $4 meaning
    .bind(task.task_id.as_str()) // $5 task_id
    .bind(now.0) // $6 created_at
    .execute(connection)
    .await?;
    Ok(())
}
