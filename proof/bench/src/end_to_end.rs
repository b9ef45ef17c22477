//! Tasks from a client's submit to SUCCESS, and what that costs every part.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use harness::cluster::Cluster;
use harness::process::Process;
use harness::programs::Program;
use harness::servers::Servers;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use tokio::time::sleep;

use crate::cluster::{QUOTA, audit, cluster};
use crate::cpu_time::{CpuTime, Processes};
use crate::figure::Build;

/// The programs that take part, and the tasks they are given.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub apis: u32,
    pub workers: u32,
    /// How many submits are under way at once.
    pub clients: usize,
    pub tasks: u32,
    /// How long the upstream takes for a song, as its command line takes it.
    pub song: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub struct TaskCost {
    /// How often an upstream was asked about the task.
    pub polls: f64,
    pub submit_calls: f64,
    /// Fetch calls; one call asks about many tasks.
    pub fetch_calls: f64,
    /// Messages published by APIs and workers.
    pub messages: f64,
    /// Committed transactions, read-only ones included.
    pub transactions: f64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: f64,
    pub wal_records: f64,
    /// Whole pages in the log.
    pub wal_pages: f64,
    /// Flushes of the log to disk.
    pub wal_flushes: f64,
    pub cpu: CpuTime,
}

/// The shortest delay between polls that our configuration allows.
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];
/// The management API's counters are at most this old.
const COUNTERS_AGE: Duration = Duration::from_secs(6);

/// Submits the tasks in a new database and waits for all of them to end.
pub async fn run(servers: &Arc<Servers>, build: &Build, layout: Layout) -> TaskCost {
    let with = ["--song-time", layout.song];
    let cluster = cluster(servers, build, ENV, &[("upstream", &with)]).await;
    let upstream = cluster.upstream();
    let (mut apis, mut workers, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for nth in 0..layout.apis {
        let (api, url) = cluster.process(Program::Api, &format!("api-{nth}")).await;
        apis.push(api);
        let client = cluster.user(&format!("client-{nth}"), QUOTA).await;
        clients.push(client.at(&url));
    }
    for nth in 0..layout.workers {
        let name = format!("worker-{nth}");
        workers.push(cluster.process(Program::Worker, &name).await.0);
    }
    let processes = Processes {
        apis: apis.iter().map(Process::pid).collect(),
        workers: workers.iter().map(Process::pid).collect(),
        upstreams: vec![upstream.pid()],
    };
    cluster.execute("CHECKPOINT").await;
    let mut connection = cluster.connect().await;
    let messages = published(&cluster).await;
    let wal = Wal::so_far(&mut connection).await;
    let cpu = CpuTime::so_far(&cluster, &processes).await;
    futures_util::stream::iter(0..layout.tasks)
        .for_each_concurrent(layout.clients, async |nth| {
            let client = &clients[nth as usize % clients.len()];
            client.song(&format!("Song {nth}")).await;
        })
        .await;
    wait_for_all(&mut connection).await;
    let tasks = f64::from(layout.tasks);
    let cpu = CpuTime::so_far(&cluster, &processes)
        .await
        .per_task(cpu, tasks);
    let wal_now = Wal::so_far(&mut connection).await;
    sleep(COUNTERS_AGE).await;
    let messages = published(&cluster).await - messages;
    let counts = upstream.counts().await;
    let each = |count: &Value| count.as_f64().unwrap_or_default() / tasks;
    let wal = |of: fn(&Wal) -> f64| (of(&wal_now) - of(&wal)) / tasks;
    let cost = TaskCost {
        polls: each(&counts["fetches"]["ids"]),
        submit_calls: each(&counts["submits"]["asked"]),
        fetch_calls: each(&counts["fetches"]["asked"]),
        messages: messages / tasks,
        transactions: wal(|wal| wal.transactions),
        wal_bytes: wal(|wal| wal.bytes),
        wal_records: wal(|wal| wal.records),
        wal_pages: wal(|wal| wal.pages),
        wal_flushes: wal(|wal| wal.flushes),
        cpu,
    };
    audit(&cluster).await;
    cost
}

async fn wait_for_all(connection: &mut PgConnection) {
    loop {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM unfinished_tasks")
            .fetch_one(&mut *connection)
            .await
            .expect("PostgreSQL answers");
        if left == 0 {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// How many messages our exchanges have received.
async fn published(cluster: &Cluster) -> f64 {
    let exchanges = cluster.rabbitmq().exchanges().await;
    let count = |exchange: &Value| {
        let count = &exchange["message_stats"]["publish_in"];
        count.as_f64().unwrap_or_default()
    };
    exchanges.iter().map(count).sum()
}

/// What `PostgreSQL` has written so far.
struct Wal {
    transactions: f64,
    bytes: f64,
    records: f64,
    pages: f64,
    flushes: f64,
}

impl Wal {
    async fn so_far(connection: &mut PgConnection) -> Self {
        // An idle backend reports its counters after a second at most.
        sleep(Duration::from_millis(1500)).await;
        let row = sqlx::query(
            "SELECT wal_bytes::float8, wal_records::float8, wal_fpi::float8, wal_sync::float8,
                    (SELECT xact_commit::float8 FROM pg_stat_database
                     WHERE datname = current_database())
             FROM pg_stat_wal",
        )
        .fetch_one(connection)
        .await
        .expect("PostgreSQL answers");
        Self {
            bytes: row.get(0),
            records: row.get(1),
            pages: row.get(2),
            flushes: row.get(3),
            transactions: row.get(4),
        }
    }
}
