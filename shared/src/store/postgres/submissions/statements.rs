//! The statements of a batch of submits.

use super::Locks;
use crate::clock::Millis;
use crate::store::books::event;
use crate::store::deciding::{AllKnown, Asked, Known, Standing};
use crate::store::row::{self, Cells as _};
use crate::store::{Result, StoreError};
use crate::task::{Quota, RowId, Status, UserId, money};

type Tx = sqlx::PgTransaction<'static>;

/// The statement of [`lock`], and what it does about locks that others hold.
macro_rules! lock_statement {
    ($held:literal) => {
        concat!(
            "SELECT asked.n, u.quota AS balance, k.quota_limit - k.used_quota AS room,
                    (SELECT p.quota FROM prices p
                     WHERE p.platform = asked.platform AND p.action = asked.action) AS price,
                    EXISTS (
                        SELECT 1 FROM channels c
                        WHERE c.enabled AND c.platform = asked.platform
                          AND (asked.pinned IS NULL OR c.id = asked.pinned)
                    ) AS served
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[])
                  WITH ORDINALITY AS asked (user_id, key_id, platform, action, pinned, n)
             JOIN users u ON u.id = asked.user_id
             JOIN api_keys k ON k.id = asked.key_id
             FOR NO KEY UPDATE OF u, k",
            $held
        )
    };
}

/// Locks the users and then the keys, and reads what they have, with the price of the moment. `None`:
/// one of the two is held by somebody else, or is not there.
pub(super) async fn lock(
    tx: &mut Tx,
    asked: &[Asked],
    locks: Locks,
) -> Result<Vec<Option<Standing>>> {
    let statement = match locks {
        Locks::Wait => lock_statement!(""),
        Locks::SkipHeld => lock_statement!(" SKIP LOCKED"),
    };
    let tasks = || asked.iter().map(|asked| &asked.task);
    let found = sqlx::query(statement)
        .bind(tasks().map(|task| task.user.0).collect::<Vec<_>>())
        .bind(tasks().map(|task| task.key.0).collect::<Vec<_>>())
        .bind(
            tasks()
                .map(|task| task.platform.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(tasks().map(|task| task.action.as_str()).collect::<Vec<_>>())
        .bind(
            tasks()
                .map(|task| task.pinned.map(|channel| channel.0))
                .collect::<Vec<_>>(),
        )
        .fetch_all(&mut **tx)
        .await?;
    let mut standing = vec![None; asked.len()];
    for found in found {
        let price = found.int_or_null("price")?;
        let n = usize::try_from(found.int("n")? - 1).ok();
        if let Some(place) = n.and_then(|n| standing.get_mut(n)) {
            *place = Some(Standing {
                price: price
                    .map(|price| row::quota("prices", "quota", 0, price))
                    .transpose()?,
                served: found.flag("served")?,
                balance: found.int("balance")?,
                room: found.int_or_null("room")?,
            });
        }
    }
    Ok(standing)
}

/// The idempotency keys that came before, old ones too.
pub(super) async fn known(tx: &mut Tx, asked: &[Asked]) -> Result<AllKnown> {
    let keys = asked.iter().filter_map(|asked| {
        let idempotency = asked.task.idempotency.as_ref()?;
        Some((asked.task.user.0, idempotency.key.as_str()))
    });
    let (users, keys): (Vec<i64>, Vec<&str>) = keys.unzip();
    if keys.is_empty() {
        return Ok(AllKnown::new());
    }
    let found: Vec<(i64, String, Vec<u8>, String, i64)> = sqlx::query_as(
        "SELECT user_id, key, request, task_id, created_at
         FROM idempotency_keys
         WHERE (user_id, key) IN (SELECT * FROM unnest($1::BIGINT[], $2::TEXT[]))",
    )
    .bind(users)
    .bind(keys)
    .fetch_all(&mut **tx)
    .await?;
    found
        .into_iter()
        .map(|(user, key, request, task, since)| {
            let known = Known {
                request,
                task: row::parse("idempotency_keys", "task_id", user, &task)?,
                since: Millis(since),
            };
            Ok(((UserId(user), key), known))
        })
        .collect()
}

/// The statement of [`store`].
const STORE: &str = "WITH asked AS (
         SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY n) AS nth
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BIGINT[],
                     $7::BIGINT[], $8::BIGINT[], $9::TEXT[], $10::TEXT[], $11::BIGINT[],
                     $12::BIGINT[], $13::BIGINT[], $14::TEXT[], $15::BYTEA[])
              WITH ORDINALITY AS asked (user_id, key_id, task_id, platform, action, price,
                                        amount, used, request, input, now,
                                        deadline, pinned, once, digest, n)
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
     ), entry AS (
         INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         SELECT user_id, key_id, row, 'charge', amount, now FROM written
     ), remembered AS (
         INSERT INTO idempotency_keys (user_id, key, request, task_id, created_at)
         SELECT user_id, once, digest, task_id, now FROM written WHERE once IS NOT NULL
         ON CONFLICT (user_id, key) DO UPDATE
         SET request = EXCLUDED.request, task_id = EXCLUDED.task_id,
             created_at = EXCLUDED.created_at
     ), noted AS (
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT row, now, 0, $17, 'charged ' || price FROM written
     )
     SELECT row FROM written ORDER BY n";

/// Charges users and keys and writes the tasks, each with its narrow row, its charge in the ledger,
/// the first line of its history and its idempotency key. Returns their rows, in their order.
///
/// The locks are held, so that the conditions on the balances hold too: they stand there all the same,
/// and a task whose user or key was not charged is not written. Ids are drawn under the user's lock, in
/// the order of the submits: a user's later task has the higher one.
pub(super) async fn store(tx: &mut Tx, stored: &[(&Asked, Quota)]) -> Result<Vec<RowId>> {
    let tasks = || stored.iter().map(|(asked, _)| &asked.task);
    let changes = || stored.iter().map(|(_, price)| money::charge(*price));
    let once = || tasks().map(|task| task.idempotency.as_ref());
    let rows: Vec<i64> = sqlx::query_scalar(STORE)
        .bind(tasks().map(|task| task.user.0).collect::<Vec<_>>())
        .bind(tasks().map(|task| task.key.0).collect::<Vec<_>>())
        .bind(
            tasks()
                .map(|task| task.task_id.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            tasks()
                .map(|task| task.platform.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(tasks().map(|task| task.action.as_str()).collect::<Vec<_>>())
        .bind(
            stored
                .iter()
                .map(|(_, price)| price.get())
                .collect::<Vec<_>>(),
        )
        .bind(changes().map(|change| change.amount).collect::<Vec<_>>())
        .bind(changes().map(|change| change.used).collect::<Vec<_>>())
        .bind(
            tasks()
                .map(|task| task.request.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(tasks().map(|task| task.input.as_str()).collect::<Vec<_>>())
        .bind(
            stored
                .iter()
                .map(|(asked, _)| asked.now.0)
                .collect::<Vec<_>>(),
        )
        .bind(tasks().map(|task| task.deadline.0).collect::<Vec<_>>())
        .bind(
            tasks()
                .map(|task| task.pinned.map(|channel| channel.0))
                .collect::<Vec<_>>(),
        )
        .bind(
            once()
                .map(|once| once.map(|once| once.key.as_str()))
                .collect::<Vec<_>>(),
        )
        .bind(
            once()
                .map(|once| once.map(|once| once.request.as_bytes()))
                .collect::<Vec<_>>(),
        )
        .bind(Status::NotStart.as_str())
        .bind(event::STORED)
        .fetch_all(&mut **tx)
        .await?;
    if rows.len() != stored.len() {
        return Err(StoreError::BadRow {
            table: "users",
            column: "quota",
            id: 0,
            held: format!("{} of {} charges", rows.len(), stored.len()),
        });
    }
    Ok(rows.into_iter().map(RowId).collect())
}
