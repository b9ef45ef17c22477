//! Choosing who is next among very many who wait, while places become free one by one.

use std::sync::Arc;

use harness::client::SONG;
use harness::cluster::Cluster;
use harness::servers::Servers;
use harness::spread::percentile;
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};
use shared::task::{ChannelId, RowId};
use tokio::time::Instant;

use super::Plan;
use super::requirement::{Bound, Requirement};
use crate::cluster::cluster;
use crate::figure::Build;

/// How many tasks run while places become free, so that most users have none and some have some.
const RUNNING: u32 = 100;

/// The first id of the tasks that wait.
const FIRST_TASK: i64 = 1_000_000;

/// Chooses whose turn it is at this channel, and gives the task a place: it runs from now on. `None`: the Store
/// cannot choose yet.
#[expect(clippy::unused_async, reason = "the Store's calls will be awaited")]
async fn choose(_store: &Store, _channel: ChannelId) -> Option<RowId> {
    None
}

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Requirement> {
    let (users, tasks, places) = plan.size((1_000, 100_000, 2_000), (20, 400, 50));
    let none: [(_, &[_]); 1] = [("upstream", &[])];
    let cluster = cluster(servers, &Build::default(), &[], &none).await;
    lay(&cluster, users, tasks).await;
    let url = DatabaseUrl::Postgres(cluster.database().url());
    let store = Store::open(&url, 10, Plans::Fresh).await;
    let store = store.expect("PostgreSQL answers");
    let channel = ChannelId(cluster.channels[0].id);
    let mut milliseconds = Vec::new();
    let mut running = Vec::new();
    for number in 0..RUNNING + places {
        if number >= RUNNING {
            let ends: RowId = running.remove(0);
            free(&cluster, ends).await;
        }
        let started = Instant::now();
        let Some(next) = choose(&store, channel).await else {
            break;
        };
        if number >= RUNNING {
            milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
        }
        running.push(next);
    }
    cluster.take_down().await;
    milliseconds.sort_by(f64::total_cmp);
    let p99 = (!milliseconds.is_empty()).then(|| percentile(&milliseconds, 0.99));
    let what = format!("p99 of choosing who is next, {tasks} tasks of {users} users wait, ms");
    vec![Requirement::new("choice", what, p99, Bound::AtMost(2.0))]
}

/// Writes the users, each with a key, and the tasks that wait; users take turns.
async fn lay(cluster: &Cluster, users: u32, tasks: u32) {
    cluster
        .execute(&format!(
            r#"
            INSERT INTO users (name, role, quota, used_quota, token_digest, created_at, max_tasks)
            SELECT 'user-' || n, 'user', 0, 0, sha256(('token-' || n)::bytea), 0, 1000000
            FROM generate_series(1, {users}) n;
            INSERT INTO api_keys (user_id, label, digest, created_at)
            SELECT id, 'bench', sha256(name::bytea), 0 FROM users WHERE name LIKE 'user-%';
            INSERT INTO tasks (id, task_id, user_id, key_id, platform, action, status, progress, quota,
                               created_at, updated_at, submit_time, request, input, user_seq)
            OVERRIDING SYSTEM VALUE
            SELECT {FIRST_TASK} + n, 'task_' || lpad(to_hex(n), 32, '0'), u.id, k.id, 'suno', 'song',
                   'NOT_START', 0, {SONG}, 0, 0, 0, '{{"prompt":"Rain on a tin roof"}}',
                   'Rain on a tin roof', n / {users} + 1
            FROM generate_series(0, {tasks} - 1) n
            JOIN users u ON u.name = 'user-' || (n % {users} + 1)
            JOIN api_keys k ON k.user_id = u.id
            ORDER BY n;
            INSERT INTO unfinished_tasks (id, due_at, deadline, stage)
            SELECT id, 0, (extract(epoch FROM now()) * 1000)::bigint + 86400000, 'submit'
            FROM tasks ORDER BY id;
            ANALYZE"#
        ))
        .await;
}

/// The task ends, and its place is free.
async fn free(cluster: &Cluster, task: RowId) {
    let end = format!("DELETE FROM unfinished_tasks WHERE id = {}", task.0);
    cluster.execute(&end).await;
}
