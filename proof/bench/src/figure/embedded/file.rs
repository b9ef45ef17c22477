//! A database file with users and many tasks, written by SQL.

use std::path::Path;
use std::time::Duration;

use shared::secret::SecretDigest;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use crate::figure::submits::users::{self, FIRST_KEY, FIRST_USER, USERS};

/// More quota than any run spends.
const QUOTA: i64 = 1_000_000_000_000_000;

/// Sets the number of tasks that each user has had.
const COUNT_TASKS: &str =
    "UPDATE users SET tasks = (SELECT count(*) FROM tasks t WHERE t.user_id = users.id)";

/// The access token of the `n`th user.
pub fn token(n: u64) -> String {
    format!("bench-token-{n}")
}

/// An id as SQLite takes it.
pub fn id(id: u64) -> i64 {
    i64::try_from(id).expect("ids are small")
}

/// Connects with the settings of our programs.
pub async fn connect(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .expect("the file opens")
}

pub async fn execute(file: &mut SqliteConnection, sql: &'static str) {
    let done = sqlx::query(sql).execute(file).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Writes users with enough quota for any run, each with one key.
pub async fn create_users(file: &Path) {
    let mut file = connect(file).await;
    execute(&mut file, "BEGIN IMMEDIATE").await;
    for n in 0..USERS {
        let user = sqlx::query(
            "INSERT INTO users (id, name, role, quota, used_quota, token_digest, created_at)
             VALUES (?, ?, 'user', ?, 0, ?, 0)",
        )
        .bind(id(FIRST_USER + n))
        .bind(format!("user-{n}"))
        .bind(QUOTA)
        .bind(SecretDigest::of(token(n)).as_bytes().to_vec())
        .execute(&mut file)
        .await;
        user.expect("a user is written");
        let granted = sqlx::query(
            "INSERT INTO ledger (user_id, kind, amount, created_at) VALUES (?, 'grant', ?, 0)",
        )
        .bind(id(FIRST_USER + n))
        .bind(QUOTA)
        .execute(&mut file)
        .await;
        granted.expect("a grant is written");
        let key = sqlx::query(
            "INSERT INTO api_keys (id, user_id, label, digest, created_at)
             VALUES (?, ?, 'bench', ?, 0)",
        )
        .bind(id(FIRST_KEY + n))
        .bind(id(FIRST_USER + n))
        .bind(SecretDigest::of(users::secret(n)).as_bytes().to_vec())
        .execute(&mut file)
        .await;
        key.expect("a key is written");
    }
    execute(&mut file, "COMMIT").await;
}

/// Writes tasks of the first user that are in flight at the first channel and due now; `series` is their series at
/// the upstream. The tasks are not charged, as they are only polled.
pub async fn in_flight(file: &mut SqliteConnection, series: u16, count: u32) {
    execute(file, "BEGIN IMMEDIATE").await;
    let written = sqlx::query(
        "WITH RECURSIVE numbers (n) AS (
             SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1
         )
         INSERT INTO tasks (id, task_id, user_id, key_id, channel_id, upstream_id, platform, action,
                            status, progress, quota, created_at, updated_at, submit_time, request,
                            input, user_seq)
         SELECT n + 1, printf('task_%032x', n), ?2, ?3, (SELECT min(id) FROM channels),
                printf('00000000-0000-0000-%04x-%012x', ?4, n), 'suno', 'song', 'SUBMITTED', 10,
                150000, unixepoch(), unixepoch(), unixepoch(), '{}', 'Rain on a tin roof', n + 1
         FROM numbers",
    )
    .bind(count)
    .bind(id(FIRST_USER))
    .bind(id(FIRST_KEY))
    .bind(series)
    .execute(&mut *file)
    .await;
    written.expect("tasks are written");
    execute(
        file,
        "INSERT INTO unfinished_tasks (id, due_at, deadline, stage, channel_id, upstream_id)
         SELECT id, 1000 * unixepoch(), 1000 * unixepoch() + 1800000, 'poll', channel_id, upstream_id
         FROM tasks",
    )
    .await;
    execute(file, COUNT_TASKS).await;
    execute(file, "COMMIT").await;
}

/// Writes finished tasks of all users in turn. The tasks are not charged, as they are only listed.
pub async fn finished(file: &Path, count: i64) {
    let mut file = connect(file).await;
    let written = sqlx::query(
        "WITH RECURSIVE numbers (n) AS (
             SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1
         )
         INSERT INTO tasks (task_id, user_id, key_id, platform, action, status, progress, quota,
                            created_at, updated_at, submit_time, start_time, finish_time, request,
                            input, data, user_seq)
         SELECT printf('task_%032d', n), ?2 + n % ?4, ?3 + n % ?4, 'suno', 'song', 'SUCCESS', 100,
                150000, 1700000000 + n / 10, 1700000200 + n / 10, 1700000000 + n / 10,
                1700000005 + n / 10, 1700000200 + n / 10, '{}', 'Rain on a tin roof', '[]',
                had.tasks + 1 + n / ?4
         FROM numbers
         JOIN users AS had ON had.id = ?2 + n % ?4",
    )
    .bind(count)
    .bind(id(FIRST_USER))
    .bind(id(FIRST_KEY))
    .bind(id(USERS))
    .execute(&mut file)
    .await;
    written.expect("tasks are written");
    execute(&mut file, COUNT_TASKS).await;
}
