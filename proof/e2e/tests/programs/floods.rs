//! Floods of connections that send nothing, at programs with few descriptors.

use harness::client::http;
use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::metrics::Metrics;
use harness::process::Launch;
use harness::programs::Program;
use harness::servers::ServerUrls;
use harness::suite::test;
use libtest_mimic::Trial;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{LIMIT, status, until};

/// The descriptors of a program, and half-open connections: many more.
const OPEN_FILES: u32 = 256;
const HALF_OPEN: u64 = 600;

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "half-open connections, more than it has descriptors, cost the API's clients nothing",
            LIMIT,
            task_center,
        ),
        test(
            "half-open connections at its port cost a worker nothing",
            LIMIT,
            worker,
        ),
    ]
}

async fn task_center() {
    let folder = Folder::new();
    let launch = Launch::new(Program::TaskCenter, folder.path()).env("API_BIND", "127.0.0.1:0");
    flooded(launch, &["healthz", "readyz", "metrics"]).await;
}

async fn worker() {
    let servers = ServerUrls::from_environment();
    let database = Database::create(&servers.postgres, "e2e").await;
    let folder = Folder::new();
    let launch = Launch::new(Program::Worker, folder.path())
        .env("WORKER_BIND", "127.0.0.1:0")
        .env("DATABASE_URL", database.url())
        .env("AMQP_URL", servers.amqp.to_string())
        .env("QUEUE_PREFIX", format!("e2e_{}", unique()));
    flooded(launch, &["healthz", "readyz", "metrics"]).await;
    database.remove().await;
}

/// Every path is answered at once while the connections are open, the figures show that most of them were
/// closed, and the log says so once.
async fn flooded(launch: Launch, paths: &[&str]) {
    let mut process = launch.open_files(OPEN_FILES).start("flooded");
    let url = process.url().await;
    // A program serves before it has its tables and the broker.
    until("it is ready", async || {
        status(&url, "readyz").await == Some(200)
    })
    .await;
    let address = url.replace("http://", "");
    let mut held = Vec::new();
    for _ in 0..HALF_OPEN {
        held.push(TcpStream::connect(&address).await.expect("it connects"));
    }
    let mut metrics = Metrics::default();
    for path in paths {
        let asked = Instant::now();
        let request = http().get(format!("{url}/{path}"));
        let answer = request.header("connection", "close").send().await;
        let answer = answer.expect("it answers");
        assert_eq!(answer.status(), 200, "{path}");
        assert!(
            asked.elapsed().as_secs() < 3,
            "{path} after {:?}",
            asked.elapsed()
        );
        metrics = Metrics(answer.text().await.expect("it is whole"));
    }
    let open = metrics.sum("task_center_http_connections", &[]);
    let limit = metrics.sum("task_center_http_connections_limit", &[]);
    assert!(
        open <= limit && limit < u64::from(OPEN_FILES),
        "{open} of {limit}"
    );
    let turned_away = "task_center_http_connections_turned_away_total";
    let closed = metrics.sum(turned_away, &["closed_idle"]);
    assert!(closed >= HALF_OPEN - limit, "{closed} closed, {limit} open");
    let log = process.log();
    assert_eq!(
        log.matches("no room for more connections").count(),
        1,
        "{log}"
    );
    assert!(!log.contains("could not be accepted"), "{log}");
    drop(held);
    process.stop(LIMIT).await;
}
