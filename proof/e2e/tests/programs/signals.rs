//! Signals: a stop that balancers see coming, and SIGHUP.

use std::time::Duration;

use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::process::{Launch, Process, Signal};
use harness::programs::Program;
use harness::servers::ServerUrls;
use harness::suite::test;
use libtest_mimic::Trial;
use tokio::time::Instant;

use crate::{LIMIT, status, until};

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "after SIGTERM it is not ready, serves on for DRAIN_DELAY, and then exits with 0",
            LIMIT,
            drains,
        ),
        test("SIGINT stops it without DRAIN_DELAY", LIMIT, interrupted),
        test(
            "a second signal ends it at once, also within DRAIN_DELAY",
            LIMIT,
            twice,
        ),
        test("SIGHUP ends no program", LIMIT, hung_up),
    ]
}

/// A `task-center` that is told to drain for so long.
async fn center(folder: &Folder, drain_delay: &str) -> (Process, String) {
    let mut process = Launch::new(Program::TaskCenter, folder.path())
        .env("API_BIND", "127.0.0.1:0")
        .env("DRAIN_DELAY", drain_delay)
        .start("center");
    let url = process.url().await;
    (process, url)
}

async fn drains() {
    let folder = Folder::new();
    let (mut process, url) = center(&folder, "5s").await;
    assert_eq!(status(&url, "readyz").await, Some(200));
    let told = Instant::now();
    process.signal(Signal::Terminate).await;
    let is_unready = async || status(&url, "readyz").await == Some(503);
    until("it is not ready", is_unready).await;
    assert!(
        told.elapsed() < Duration::from_secs(1),
        "{:?}",
        told.elapsed()
    );
    while told.elapsed() < Duration::from_secs(4) {
        assert_eq!(status(&url, "healthz").await, Some(200));
        assert_eq!(status(&url, "readyz").await, Some(503));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ended = process.ended(LIMIT).await;
    assert!(ended.success(), "{ended}");
    let took = told.elapsed();
    let expected = Duration::from_millis(4_900)..Duration::from_secs(12);
    assert!(expected.contains(&took), "{took:?}");
}

async fn interrupted() {
    let folder = Folder::new();
    let (mut process, _) = center(&folder, "1m").await;
    process.signal(Signal::Interrupt).await;
    let ended = process.ended(Duration::from_secs(20)).await;
    assert!(ended.success(), "{ended}");
}

async fn twice() {
    let folder = Folder::new();
    let (mut process, url) = center(&folder, "1m").await;
    process.signal(Signal::Terminate).await;
    let is_unready = async || status(&url, "readyz").await == Some(503);
    until("it is not ready", is_unready).await;
    process.signal(Signal::Terminate).await;
    let ended = process.ended(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(143));
}

async fn hung_up() {
    let servers = ServerUrls::from_environment();
    let database = Database::create(&servers.postgres, "e2e").await;
    let prefix = format!("e2e_{}", unique());
    let of_programs = ["readyz", "healthz"];
    for (program, [ready, alive]) in [
        (Program::TaskCenter, of_programs),
        (Program::Api, of_programs),
        (Program::Worker, of_programs),
        (Program::Simulator, ["simulator/counts"; 2]),
    ] {
        let folder = Folder::new();
        let mut launch = Launch::new(program, folder.path())
            .env("API_BIND", "127.0.0.1:0")
            .env("WORKER_BIND", "127.0.0.1:0")
            .env("QUEUE_PREFIX", &prefix);
        match program {
            Program::TaskCenter => {}
            Program::Simulator => launch = launch.arguments(&["--bind", "127.0.0.1:0"]),
            Program::Api | Program::Worker => {
                launch = launch
                    .env("DATABASE_URL", database.url())
                    .env("AMQP_URL", servers.amqp.to_string());
            }
        }
        let mut process = launch.start("hung-up");
        let url = process.url().await;
        let answers = async || status(&url, ready).await == Some(200);
        until("it serves", answers).await;
        process.signal(Signal::HangUp).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(process.has_ended().is_none(), "{}", program.name());
        assert_eq!(status(&url, alive).await, Some(200), "{}", program.name());
        until("it is ready as before", answers).await;
        process.stop(LIMIT).await;
    }
    database.remove().await;
}
