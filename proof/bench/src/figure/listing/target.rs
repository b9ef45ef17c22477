//! A database of one size, its API, and the clients that ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use harness::client::Client;
use harness::cluster::Cluster;
use harness::process::Process;
use harness::programs::Program;
use harness::servers::Servers;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::queries::{self, Query};
use super::{CLIENTS, fill};
use crate::cluster::cluster;
use crate::figure::{Build, Plan};
use crate::load::{self, Load};

/// How many status changes a second are written in the "while written" rows.
pub const CHANGES_A_SECOND: i64 = 2_000;
/// In how many statements a second.
const BATCHES_A_SECOND: u32 = 20;

/// The times of the answers to a query, ms.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub p50: f64,
    /// What 99 of 100 answers did not exceed.
    pub p99: f64,
}

/// A database of one size.
pub struct Target {
    /// The database and its queues.
    pub cluster: Cluster,
    pub api: Process,
    /// The queries; other targets have the same ones with other numbers.
    pub queries: Vec<Query>,
    address: SocketAddr,
    count: i64,
    unfinished: i64,
    admin: Client,
    heavy: Client,
}

impl Target {
    /// Fills a database with `count` tasks and starts its API.
    pub async fn prepare(servers: &Arc<Servers>, count: i64) -> Self {
        let started = Instant::now();
        let cluster = cluster(servers, &Build::default(), &[], &[]).await;
        let (api, url) = cluster.process(Program::Api, "api").await;
        let admin = cluster.admin("admin").await.at(&url);
        let heavy = cluster.user("heavy", 0).await.at(&url);
        let unfinished = (count / 10).min(100_000);
        fill::users_and_channels(&cluster).await;
        fill::tasks(&cluster, heavy.id, count, unfinished).await;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{count} tasks, written in {seconds:.0} s");
        Self {
            queries: queries::all(heavy.id, count),
            cluster,
            api,
            address: load::address(&url),
            count,
            unfinished,
            admin,
            heavy,
        }
    }

    /// Measures a query. The time to connect and to prepare statements does not count.
    pub async fn ask(&self, query: &Query, plan: &Plan) -> Times {
        let (client, listing) = if query.everybody {
            (&self.admin, "")
        } else {
            (&self.heavy, "self")
        };
        let path = format!("/api/task/{listing}?{}", query.parameters);
        let page = client.page(&path).await;
        assert!(page["total"].is_i64(), "{page}");
        let load = |milliseconds| Load {
            address: self.address,
            requests: vec![load::get(&path, &client.token, client.id)].into(),
            clients: CLIENTS,
            lasts: Duration::from_millis(milliseconds),
        };
        load(plan.size(300, 50)).run().await;
        let answers = load(plan.size(1_000, 50)).run().await;
        let (p50, p99) = (answers.percentile(0.5), answers.percentile(0.99));
        let (count, name) = (self.count, &query.name);
        eprintln!("{count} tasks, {name}: {p50:.1} ms, p99 {p99:.1}");
        Times { p50, p99 }
    }

    /// Measures the queries of these names while statuses change all the time.
    pub async fn ask_while_written<'a>(
        &'a self,
        names: &[&str],
        plan: &Plan,
    ) -> Vec<(&'a str, Times)> {
        let stop = Arc::new(Notify::new());
        let connection = self.cluster.connect().await;
        let writer = write(connection, self.count, self.unfinished, stop.clone());
        let writer = tokio::spawn(writer);
        tokio::time::sleep(Duration::from_secs(plan.size(2, 1))).await;
        let mut asked = Vec::new();
        for query in &self.queries {
            if names.contains(&query.name.as_str()) {
                asked.push((query.name.as_str(), self.ask(query, plan).await));
            }
        }
        stop.notify_one();
        let written = writer.await.expect("the writer ends");
        eprintln!("{written:.0} status changes a second were written meanwhile");
        asked
    }
}

/// Changes statuses of unfinished tasks, as polls do, until `stop`; returns how many a second.
async fn write(mut database: PgConnection, count: i64, unfinished: i64, stop: Arc<Notify>) -> f64 {
    let batch = CHANGES_A_SECOND / i64::from(BATCHES_A_SECOND);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / BATCHES_A_SECOND);
    let started = Instant::now();
    let mut written = 0.0;
    let mut at = 0;
    loop {
        tokio::select! {
            () = stop.notified() => break,
            _ = tick.tick() => {}
        }
        let first = count - unfinished + 1 + at % unfinished.max(1);
        let done = sqlx::query(
            "UPDATE tasks
             SET status = CASE status WHEN 'QUEUED' THEN 'IN_PROGRESS' ELSE 'QUEUED' END
             WHERE id BETWEEN $1 AND $2 AND progress < 100",
        )
        .bind(first)
        .bind(first + batch - 1)
        .execute(&mut database)
        .await
        .expect("PostgreSQL answers");
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let changed = done.rows_affected() as f64;
        written += changed;
        at += batch;
    }
    let a_second = written / started.elapsed().as_secs_f64();
    let _ = database.close().await;
    a_second
}
