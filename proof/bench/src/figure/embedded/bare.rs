//! The statements of a submit, without anything around them. The audit of the file shows that they do
//! what a submit does.

use std::path::Path;
use std::time::Duration;

use shared::random::Random;
use shared::secret::SecretDigest;
use shared::task::TaskId;
use sqlx::sqlite::SqliteConnection;
use tokio::time::Instant;

use super::file::{connect, execute};
use crate::figure::submits::SONG;
use crate::figure::submits::people::{self, USERS};

/// The price of a song, and the moment of all tasks.
const PRICE: i64 = 150_000;
const NOW: i64 = 1_800_000_000_000;

/// Submits a second by one connection, `together` in a transaction.
pub async fn submits_a_second(file: &Path, together: u32, lasts: Duration) -> f64 {
    let mut file = connect(file).await;
    let chance = Random::from_system();
    let started = Instant::now();
    let mut made = 0_u32;
    while started.elapsed() < lasts {
        execute(&mut file, "BEGIN IMMEDIATE").await;
        for _ in 0..together {
            let done = submit(&mut file, &chance).await;
            done.expect("a submit is written");
        }
        execute(&mut file, "COMMIT").await;
        made += together;
    }
    f64::from(made) / started.elapsed().as_secs_f64()
}

async fn submit(file: &mut SqliteConnection, chance: &Random) -> sqlx::Result<()> {
    let n = chance.below(USERS);
    let id = |id: u64| i64::try_from(id).expect("ids are small");
    let (user, key) = (id(people::user(n)), id(people::key(n)));
    let holder = "SELECT u.id, u.enabled, u.quota, k.id AS key_id, k.enabled AS key_enabled,
                         k.quota_limit, k.used_quota
                  FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.digest = ?";
    sqlx::query(holder)
        .bind(SecretDigest::of(people::secret(n)).as_bytes().to_vec())
        .fetch_one(&mut *file)
        .await?;
    sqlx::query("SELECT EXISTS (SELECT 1 FROM channels WHERE platform = 'suno' AND enabled = 1)")
        .fetch_one(&mut *file)
        .await?;
    sqlx::query("SELECT quota FROM prices WHERE platform = 'suno' AND action = 'song'")
        .fetch_one(&mut *file)
        .await?;
    sqlx::query(
        "UPDATE users SET quota = quota - ?2, used_quota = used_quota + ?2, tasks = tasks + 1
         WHERE id = ?1 AND quota >= ?2",
    )
    .bind(user)
    .bind(PRICE)
    .execute(&mut *file)
    .await?;
    sqlx::query(
        "UPDATE api_keys SET used_quota = used_quota + ?2
         WHERE id = ?1 AND (quota_limit IS NULL OR used_quota + ?2 <= quota_limit)",
    )
    .bind(key)
    .bind(PRICE)
    .execute(&mut *file)
    .await?;
    let row: i64 = sqlx::query_scalar(
        "INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                            created_at, updated_at, submit_time, request, input, user_seq)
         VALUES (?1, ?2, ?3, 'suno', 'song', 'NOT_START', 0, ?4, ?5, ?5, ?5, ?6, ?6,
                 (SELECT tasks FROM users WHERE id = ?2))
         RETURNING id",
    )
    .bind(TaskId::random(chance).as_str())
    .bind(user)
    .bind(key)
    .bind(PRICE)
    .bind(NOW / 1000)
    .bind(SONG)
    .fetch_one(&mut *file)
    .await?;
    sqlx::query(
        "INSERT INTO unfinished_tasks (id, turn, due_at, deadline, stage)
         VALUES (?1, 0, ?2, ?2, 'submit')",
    )
    .bind(row)
    .bind(NOW)
    .execute(&mut *file)
    .await?;
    sqlx::query(
        "INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
         VALUES (?, ?, ?, 'charge', ?, ?)",
    )
    .bind(user)
    .bind(key)
    .bind(row)
    .bind(-PRICE)
    .bind(NOW)
    .execute(&mut *file)
    .await?;
    sqlx::query(
        "INSERT INTO task_events (task_id, at, turn, kind, detail)
         VALUES (?, ?, 0, 'stored', 'charged 150000')",
    )
    .bind(row)
    .bind(NOW)
    .execute(&mut *file)
    .await?;
    Ok(())
}
