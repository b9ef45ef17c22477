//! The statements of a batch of submits.

use std::collections::HashMap;

use super::super::column::column;
use crate::store::Result;
use crate::store::admission::{Facts, PendingSubmit, UsedKeys};
use crate::store::row::{self, Cells as _};
use crate::store::submissions::Locks;
use crate::task::history::STORED;
use crate::task::money::{self, EntryKind};
use crate::task::{Quota, RowId, Status};

type Tx = crate::store::session::PgSession;

/// The statement of [`lock`], and what it does about locks that others hold.
macro_rules! lock_statement {
    ($held:literal) => {
        concat!(
            "SELECT asked.n, u.quota AS balance, k.quota_limit - k.used_quota AS key_left,
                    u.max_waiting,
                    COALESCE(
                        (SELECT m.quota FROM model_prices m
                         WHERE m.platform = asked.platform AND m.action = asked.action
                           AND m.model = asked.model),
                        (SELECT p.quota FROM prices p
                         WHERE p.platform = asked.platform AND p.action = asked.action)) AS price,
                    EXISTS (
                        SELECT 1 FROM channels c
                        WHERE c.enabled AND c.platform = asked.platform
                          AND (asked.pinned IS NULL OR c.id = asked.pinned)
                          AND NOT c.deleted AND asked.action = ANY
                              (string_to_array(COALESCE(c.actions, 'song,lyrics'), ','))
                    ) AS has_channel
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[],
                         $6::TEXT[])
                  WITH ORDINALITY AS asked (user_id, key_id, platform, action, pinned, model, n)
             JOIN users u ON u.id = asked.user_id
             JOIN api_keys k ON k.id = asked.key_id
             FOR NO KEY UPDATE OF u, k",
            $held
        )
    };
}

/// Locks the users and then the keys, and reads the facts. `None`: one of the two is locked by another
/// transaction, or does not exist.
pub(super) async fn lock(
    tx: &mut Tx,
    batch: &[PendingSubmit],
    locks: Locks,
) -> Result<Vec<Option<Facts>>> {
    let statement = match locks {
        Locks::Wait => lock_statement!(""),
        Locks::SkipHeld => lock_statement!(" SKIP LOCKED"),
    };
    let found = sqlx::query(statement)
        .bind(column(batch, |one| one.task.user.0)) // $1 user_id
        .bind(column(batch, |one| one.task.key.0)) // $2 key_id
        .bind(column(batch, |one| one.task.platform.as_str())) // $3 platform
        .bind(column(batch, |one| one.task.action.as_str())) // $4 action
        .bind(column(batch, |one| Some(one.task.pinned?.0))) // $5 pinned
        .bind(column(batch, |one| one.task.model.as_deref())) // $6 model
        .fetch_all(&mut *tx)
        .await?;
    let mut facts = vec![None; batch.len()];
    for found in found {
        let n = usize::try_from(found.int("n")? - 1).ok();
        if let Some(of_submit) = n.and_then(|n| facts.get_mut(n)) {
            *of_submit = Some(row::facts(&found, 0)?);
        }
    }
    count_waiting(tx, batch, &mut facts).await?;
    Ok(facts)
}

/// Counts the tasks that wait to be sent, for users who have a limit of them. In a statement of its own, because
/// the one that locks counts by a snapshot from before it had the locks: submits that were committed while it
/// waited would be left out.
async fn count_waiting(
    tx: &mut Tx,
    batch: &[PendingSubmit],
    facts: &mut [Option<Facts>],
) -> Result<()> {
    let mut limited: Vec<i64> = batch
        .iter()
        .zip(&*facts)
        .filter(|(_, facts)| facts.is_some_and(|facts| facts.max_waiting > 0))
        .map(|(one, _)| one.task.user.0)
        .collect();
    if limited.is_empty() {
        return Ok(());
    }
    limited.sort_unstable();
    limited.dedup();
    let counted: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT user_id, sum(waiting)::BIGINT FROM lines WHERE user_id = ANY ($1) GROUP BY user_id",
    )
    .bind(limited) // $1 user_id
    .fetch_all(&mut *tx)
    .await?;
    let counted: HashMap<i64, i64> = counted.into_iter().collect();
    for (one, facts) in batch.iter().zip(facts) {
        if let (Some(facts), Some(waiting)) = (facts, counted.get(&one.task.user.0)) {
            facts.waiting = *waiting;
        }
    }
    Ok(())
}

/// The first uses of the batch's idempotency keys, expired ones too.
pub(super) async fn used_keys(tx: &mut Tx, batch: &[PendingSubmit]) -> Result<UsedKeys> {
    let keys = batch.iter().filter_map(|one| {
        let idempotency = one.task.idempotency.as_ref()?;
        Some((one.task.user.0, idempotency.key.as_str()))
    });
    let (users, keys): (Vec<i64>, Vec<&str>) = keys.unzip();
    if keys.is_empty() {
        return Ok(UsedKeys::new());
    }
    let found = sqlx::query(
        "SELECT user_id, key, request, meaning, task_id, created_at
         FROM idempotency_keys
         WHERE (user_id, key) IN (SELECT * FROM unnest($1::BIGINT[], $2::TEXT[]))",
    )
    .bind(users) // $1 user_id
    .bind(keys) // $2 key
    .fetch_all(&mut *tx)
    .await?;
    found.iter().map(row::first_use).collect()
}

/// The statement of [`store`].
const STORE: &str = "WITH asked AS (
         SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY n) AS nth
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BIGINT[],
                     $7::BIGINT[], $8::BIGINT[], $9::TEXT[], $10::TEXT[], $11::BIGINT[],
                     $12::BIGINT[], $13::BIGINT[], $14::TEXT[], $15::BYTEA[], $20::BYTEA[])
              WITH ORDINALITY AS asked (user_id, key_id, task_id, platform, action, price,
                                        amount, used, request, input, now,
                                        deadline, pinned, once, digest, meaning, n)
     ), payer AS (
         UPDATE users u
         SET quota = u.quota + due.amount, used_quota = u.used_quota + due.used,
             tasks = u.tasks + due.tasks
         FROM (SELECT user_id, SUM(amount)::BIGINT AS amount, SUM(used)::BIGINT AS used,
                      count(*) AS tasks
               FROM asked GROUP BY user_id) due
         WHERE u.id = due.user_id AND u.quota + due.amount >= 0
         RETURNING u.id, u.tasks - due.tasks AS had
     ), key AS (
         UPDATE api_keys k
         SET used_quota = k.used_quota + due.used
         FROM (SELECT key_id, SUM(used)::BIGINT AS used FROM asked GROUP BY key_id) due
         WHERE k.id = due.key_id
           AND (k.quota_limit IS NULL OR k.used_quota + due.used <= k.quota_limit)
         RETURNING k.id
     ), task AS (
         INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                            created_at, updated_at, submit_time, request, input, user_seq)
         SELECT asked.task_id, asked.user_id, asked.key_id, asked.platform, asked.action, $16, 0,
                asked.price, asked.now / 1000, asked.now / 1000, asked.now / 1000,
                asked.request, asked.input, payer.had + asked.nth
         FROM asked
         JOIN payer ON payer.id = asked.user_id
         JOIN key ON key.id = asked.key_id
         ORDER BY asked.n
         RETURNING id, task_id
     ), written AS (
         SELECT task.id AS row, asked.* FROM task JOIN asked USING (task_id)
     ), unfinished AS (
         INSERT INTO unfinished_tasks (id, due_at, deadline, stage, pinned_channel)
         SELECT row, now, deadline, 'submit', pinned FROM written
         ORDER BY user_id, row
     ), entry AS (
         INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         SELECT user_id, key_id, row, $19, amount, now FROM written
     ), remembered AS (
         INSERT INTO idempotency_keys (user_id, key, request, meaning, task_id, created_at)
         SELECT user_id, once, digest, meaning, task_id, now FROM written WHERE once IS NOT NULL
         ON CONFLICT (user_id, key) DO UPDATE
         SET request = EXCLUDED.request, meaning = EXCLUDED.meaning,
             task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
     ), noted AS (
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT row, now, 0, $17, format($18, price) FROM written
     )
     SELECT row FROM written ORDER BY n";

/// Charges users and keys and writes the tasks, each with its narrow row, its charge in the ledger,
/// the first line of its history and its idempotency key. Returns their rows, in their order.
///
/// The caller holds the locks, so the conditions on the balances are met. They stand in the statement all
/// the same: a task whose user or key is not charged is not written. Ids are drawn under the user's lock in
/// the order of the submits, so a user's later task has the higher id. The narrow rows are written in the order of the
/// users, because their trigger may add lines and lock the counters of users.
pub(super) async fn store(tx: &mut Tx, admitted: &[(&PendingSubmit, Quota)]) -> Result<Vec<RowId>> {
    let tasks = column(admitted, |(one, _)| &one.task);
    let changes = column(admitted, |(_, price)| money::charge(*price));
    let keys = column(&tasks, |task| task.idempotency.as_ref());
    let meanings = column(&keys, |key| (*key)?.stored_meaning());
    let rows: Vec<i64> = sqlx::query_scalar(STORE)
        .bind(column(&tasks, |task| task.user.0)) // $1 user_id
        .bind(column(&tasks, |task| task.key.0)) // $2 key_id
        .bind(column(&tasks, |task| task.task_id.as_str())) // $3 task_id
        .bind(column(&tasks, |task| task.platform.as_str())) // $4 platform
        .bind(column(&tasks, |task| task.action.as_str())) // $5 action
        .bind(column(admitted, |(_, price)| price.get())) // $6 price
        .bind(column(&changes, |change| change.amount)) // $7 amount
        .bind(column(&changes, |change| change.used)) // $8 used
        .bind(column(&tasks, |task| task.request.as_str())) // $9 request
        .bind(column(&tasks, |task| task.input.as_str())) // $10 input
        .bind(column(admitted, |(one, _)| one.now.0)) // $11 now
        .bind(column(&tasks, |task| task.deadline.0)) // $12 deadline
        .bind(column(&tasks, |task| Some(task.pinned?.0))) // $13 pinned
        .bind(column(&keys, |key| Some((*key)?.key.as_str()))) // $14 once
        .bind(column(&keys, |key| Some((*key)?.request.as_bytes()))) // $15 digest
        .bind(Status::NotStart.as_str()) // $16 status
        .bind(STORED.kind) // $17 kind of the event
        .bind(STORED.detail) // $18 detail
        .bind(EntryKind::Charge.as_str()) // $19 kind of the entry
        .bind(column(&meanings, |meaning| {
            Some(meaning.as_ref()?.as_bytes())
        })) // $20 meaning
        .fetch_all(&mut *tx)
        .await?;
    if rows.len() != admitted.len() {
        return Err(row::not_charged(rows.len(), admitted.len()));
    }
    Ok(rows.into_iter().map(RowId).collect())
}
