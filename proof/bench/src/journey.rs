//! Tasks on their whole way, from a client's submit to SUCCESS, and what that took of everything.

use std::time::Duration;

use futures_util::StreamExt as _;
use harness::process::Process;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use tokio::time::sleep;

use crate::site::Site;
use crate::spent::{Parts, Spent};

/// Who takes part.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// How many processes of the API.
    pub apis: u32,
    /// How many workers.
    pub workers: u32,
    /// How many submits are under way at once.
    pub clients: usize,
    /// How many tasks.
    pub tasks: u32,
    /// How long the upstream takes for a song.
    pub song: &'static str,
}

/// What one task took, all divided by the tasks.
#[derive(Debug, Clone, Copy)]
pub struct Journey {
    /// How often the upstream was asked about it.
    pub polls: f64,
    /// Calls that submitted.
    pub submit_calls: f64,
    /// Calls that asked.
    pub fetch_calls: f64,
    /// Messages that API and worker published.
    pub messages: f64,
    /// Transactions that `PostgreSQL` committed, those that only read among them.
    pub transactions: f64,
    /// Bytes of its log.
    pub wal_bytes: f64,
    /// Records in it.
    pub wal_records: f64,
    /// Whole pages in it.
    pub wal_pages: f64,
    /// How often it was flushed to the disk.
    pub wal_flushes: f64,
    /// Processor time, undivided.
    pub spent: Spent,
}

/// Polled as often as we allow: every 2 s.
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];
/// The figures of `RabbitMQ` are as old as this at most.
const FIGURES: Duration = Duration::from_secs(6);

impl Journey {
    /// Makes one, on servers of its own.
    pub async fn make(layout: Layout) -> Self {
        let site = Site::prepare(ENV).await;
        let with = ["--song-time", layout.song];
        let (upstream, _) = site.channel("upstream", &with).await;
        let mut apis: Vec<(Process, String)> = Vec::new();
        for nth in 0..layout.apis {
            apis.push(site.api(&format!("api-{nth}")).await);
        }
        let mut workers = Vec::new();
        for nth in 0..layout.workers {
            workers.push(site.worker(&format!("worker-{nth}")).await.0);
        }
        let mut clients = Vec::new();
        for (nth, (_, url)) in apis.iter().enumerate() {
            let name = format!("client-{nth}");
            clients.push(site.user(&name, "user", 1_000_000_000_000_000, url).await);
        }
        let pids = |processes: &[Process]| processes.iter().map(Process::pid).collect::<Vec<_>>();
        let (apis, _urls): (Vec<Process>, Vec<String>) = apis.into_iter().unzip();
        let (api_pids, worker_pids) = (pids(&apis), pids(&workers));
        let upstreams = [upstream.pid()];
        let parts = Parts {
            apis: &api_pids,
            workers: &worker_pids,
            upstreams: &upstreams,
        };
        site.execute("CHECKPOINT").await;
        let mut connection = site.connect().await;
        let messages = published(&site).await;
        let (wal, spent) = (
            Wal::so_far(&mut connection).await,
            Spent::so_far(&site, &parts).await,
        );
        futures_util::stream::iter(0..layout.tasks)
            .for_each_concurrent(layout.clients, async |nth| {
                let client = &clients[nth as usize % clients.len()];
                client.song(&format!("Song {nth}")).await;
            })
            .await;
        all_ended(&mut connection).await;
        let spent = Spent::so_far(&site, &parts).await.since(spent);
        let wal = Wal::so_far(&mut connection).await.since(wal);
        sleep(FIGURES).await;
        let messages = published(&site).await - messages;
        let counts = upstream.counts().await;
        let tasks = f64::from(layout.tasks);
        let each = |count: &Value| count.as_f64().unwrap_or_default() / tasks;
        let made = Self {
            polls: each(&counts["fetches"]["ids"]),
            submit_calls: each(&counts["submits"]["asked"]),
            fetch_calls: each(&counts["fetches"]["asked"]),
            messages: messages / tasks,
            transactions: wal.transactions / tasks,
            wal_bytes: wal.bytes / tasks,
            wal_records: wal.records / tasks,
            wal_pages: wal.pages / tasks,
            wal_flushes: wal.flushes / tasks,
            spent,
        };
        site.operator.run(&["audit"]).await;
        drop((apis, workers));
        site.take_down().await;
        made
    }
}

async fn all_ended(connection: &mut PgConnection) {
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

/// How many messages were handed to our exchanges so far.
async fn published(site: &Site) -> f64 {
    let exchanges = site.rabbitmq.exchanges().await;
    let count = |exchange: &Value| {
        let count = &exchange["message_stats"]["publish_in"];
        count.as_f64().unwrap_or_default()
    };
    exchanges.iter().map(count).sum()
}

/// What `PostgreSQL` wrote.
#[derive(Debug, Clone, Copy)]
struct Wal {
    transactions: f64,
    bytes: f64,
    records: f64,
    pages: f64,
    flushes: f64,
}

impl Wal {
    async fn so_far(connection: &mut PgConnection) -> Self {
        // Backends hand their figures in when they rest, after a second at most.
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

    fn since(self, before: Self) -> Self {
        Self {
            transactions: self.transactions - before.transactions,
            bytes: self.bytes - before.bytes,
            records: self.records - before.records,
            pages: self.pages - before.pages,
            flushes: self.flushes - before.flushes,
        }
    }
}
