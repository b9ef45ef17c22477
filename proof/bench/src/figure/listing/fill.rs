//! Tasks by the million, written by SQL.

use std::time::Duration;

use harness::cluster::Cluster;

/// The statements by which our migration counts the tasks of an old database.
fn count_statements() -> &'static str {
    let migration = include_str!("../../../../../migrations/postgres/0002_counts.sql");
    let marked = migration.split_once("-- What is there already.");
    marked.expect("the migration says where it counts").1
}

/// Building an index afterwards is faster than maintaining it during the insert.
const WITHOUT_INDEXES: &str = "
    ALTER TABLE tasks DROP CONSTRAINT tasks_task_id_key;
    DROP INDEX tasks_user_seq;";

const INDEXES: &str = "
    SET maintenance_work_mem = '1GB';
    SET max_parallel_maintenance_workers = 2;
    ALTER TABLE tasks ADD CONSTRAINT tasks_task_id_key UNIQUE (task_id);
    CREATE UNIQUE INDEX tasks_user_seq ON tasks (user_id, user_seq);";

/// How many users there are besides `heavy`, who has a tenth of all tasks.
const OTHERS: i64 = 1_000;

/// When the first task was submitted, Unix seconds. One follows every 3 s.
const FIRST_SUBMIT: i64 = 1_700_000_000;

/// When the task of this number was submitted, Unix seconds.
pub fn submitted_at(task: i64) -> i64 {
    FIRST_SUBMIT + task * 3
}

/// Writes the other users, a key for every user, and four channels; the last channel gets few tasks.
pub async fn users_and_channels(cluster: &Cluster) {
    cluster
        .execute(&format!(
            "INSERT INTO users (name, role, quota, used_quota, token_digest, created_at)
         SELECT 'other-' || n, 'user', 0, 0, sha256(n::text::bytea), 0
         FROM generate_series(1, {OTHERS}) AS n;
         INSERT INTO api_keys (user_id, label, digest, created_at)
         SELECT id, 'filled', sha256(name::bytea), 0 FROM users;
         INSERT INTO channels (name, platform, base_url, key, enabled, created_at)
         SELECT 'channel-' || n, 'suno', 'http://127.0.0.1:9', 'none', FALSE, 0
         FROM generate_series(1, 4) AS n"
        ))
        .await;
}

/// Writes and counts `count` tasks, the newest `unfinished` of them unfinished. Users take turns; one task in ten failed,
/// one in five is lyrics, one in a thousand is at the last channel.
pub async fn tasks(cluster: &Cluster, heavy: i64, count: i64, unfinished: i64) {
    let filling = format!(
        "SET session_replication_role = replica;
         SET synchronous_commit = off;
         ALTER TABLE tasks SET (fillfactor = 90);
         {WITHOUT_INDEXES}
         INSERT INTO tasks (task_id, user_id, key_id, channel_id, upstream_id, platform, action,
                            status, progress, quota, created_at, updated_at, submit_time, start_time,
                            finish_time, request, input, data, user_seq)
         SELECT 'task_' || md5(n::text), CASE WHEN n % 10 = 0 THEN {heavy} ELSE
                    -- A join might change the order of the rows.
                    (ARRAY(SELECT id FROM users WHERE name LIKE 'other-%' ORDER BY id))
                        [1 + (n - n / 10 - 1) % {OTHERS}] END,
                1, CASE WHEN n % 1000 = 7 THEN 4 ELSE 1 + n % 3 END, md5('u' || n), 'suno',
                CASE WHEN n % 5 = 0 THEN 'lyrics' ELSE 'song' END,
                CASE WHEN n > {count} - {unfinished} THEN
                          (ARRAY['SUBMITTED', 'QUEUED', 'IN_PROGRESS', 'IN_PROGRESS'])[1 + n % 4]
                     WHEN n % 10 = 3 THEN 'FAILURE' ELSE 'SUCCESS' END,
                CASE WHEN n > {count} - {unfinished} THEN 30 ELSE 100 END, 150000,
                {FIRST_SUBMIT} + n * 3, {FIRST_SUBMIT} + n * 3 + 90, {FIRST_SUBMIT} + n * 3,
                {FIRST_SUBMIT} + n * 3 + 10, {FIRST_SUBMIT} + n * 3 + 90,
                '{{\"prompt\":\"Rain on a tin roof\"}}', 'Rain on a tin roof',
                '[{{\"id\":\"' || md5('c' || n) || '\",\"status\":\"complete\",\"audio_url\":'
                || '\"https://cdn.example.com/' || n || '.mp3\",\"metadata\":{{\"duration\":121.4}}}}]',
                CASE WHEN n % 10 = 0 THEN n / 10 ELSE (n - n / 10 - 1) / {OTHERS} + 1 END
         FROM generate_series(1, {count}) AS n;
         SELECT setval(pg_get_serial_sequence('tasks', 'id'), {count});
         {INDEXES}
         SET session_replication_role = origin;
         TRUNCATE task_counts, task_changes;
         SET work_mem = '512MB';
         {statements}
         UPDATE users u SET tasks = counted.tasks
         FROM (SELECT user_id, max(user_seq) AS tasks FROM tasks GROUP BY user_id) AS counted
         WHERE counted.user_id = u.id;",
        statements = count_statements()
    );
    cluster.execute(&filling).await;
    for statement in [
        // The rows lie on disk as if they had been written one after the other.
        "CLUSTER task_counts USING task_counts_pkey",
        "VACUUM (ANALYZE) tasks",
        "VACUUM (ANALYZE) task_counts",
        "CHECKPOINT",
    ] {
        cluster.execute(statement).await;
    }
    let mut connection = cluster.connect().await;
    let vacuuming = "SELECT EXISTS (SELECT FROM pg_stat_activity
                                    WHERE backend_type = 'autovacuum worker')";
    while sqlx::query_scalar(vacuuming)
        .fetch_one(&mut connection)
        .await
        .expect("PostgreSQL answers")
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
