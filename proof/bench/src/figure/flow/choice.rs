//! Choosing who is next among very many who wait, while places become free one by one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use harness::client::SONG;
use harness::cluster::Cluster;
use harness::servers::Servers;
use harness::spread::percentile;
use shared::clock::{Clock as _, SystemClock};
use shared::config::DatabaseUrl;
use shared::store::lines::Route;
use shared::store::{Plans, Store};
use shared::task::{Action, AtTurn, ChannelId, Platform, RowId};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::Plan;
use super::requirement::{Bound, Requirement};
use crate::cluster::cluster;
use crate::figure::Build;

/// How many tasks run while places become free, so that most users have none and some have some.
const RUNNING: u32 = 100;

/// The first id of the tasks that wait.
const FIRST_TASK: i64 = 1_000_000;

/// The waiting tasks: any channel can take them.
const ROUTE: Route = Route {
    platform: Platform::SUNO,
    action: Action::SONG,
    only: None,
};

/// How long a task that was chosen is being sent: for the whole measurement.
const LEASE: Duration = Duration::from_hours(1);

/// Chooses whose turn it is, for one place.
async fn choose(store: &Store) -> AtTurn {
    let lines = store.next_lines(&[ROUTE], 1, SystemClock.now()).await;
    let mut lines = lines.expect("PostgreSQL answers");
    lines.pop().expect("tasks wait").first.at
}

/// Gives the task a place at the channel.
async fn send(store: &Store, task: AtTurn, channel: ChannelId) {
    let now = SystemClock.now();
    let sent = store.begin_submit(task, channel, task.row.0, now.after(LEASE), now);
    let sent = sent.await.expect("PostgreSQL answers");
    assert!(sent.is_some(), "there is a place for the task");
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
    let mut database = cluster.connect().await;
    let mut milliseconds = Vec::new();
    let mut running = VecDeque::new();
    for number in 0..RUNNING + places {
        if number >= RUNNING
            && let Some(oldest) = running.pop_front()
        {
            free(&mut database, oldest).await;
        }
        let started = Instant::now();
        let next = choose(&store).await;
        if number >= RUNNING {
            milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
        }
        send(&store, next, channel).await;
        running.push_back(next.row);
    }
    cluster.take_down().await;
    milliseconds.sort_by(f64::total_cmp);
    let p99 = percentile(&milliseconds, 0.99);
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
            UPDATE channels SET max_tasks = 1000000;
            ANALYZE"#
        ))
        .await;
}

/// The task ends, and its place is free.
async fn free(database: &mut PgConnection, task: RowId) {
    let end = sqlx::query("DELETE FROM unfinished_tasks WHERE id = $1").bind(task.0);
    end.execute(database).await.expect("PostgreSQL answers");
}
