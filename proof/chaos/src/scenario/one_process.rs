//! `task-center`, everything in one process on `SQLite`, is killed again and again.

use std::time::Duration;

use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use harness::servers::ports::free_port;
use harness::upstream::Upstream;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::{Instant, sleep};

use crate::check::{all_end, check_tables};
use crate::clients::{PLENTY, PatientClient};
use crate::cluster::create_user;
use crate::ledger_check::Database;
use crate::run::{Run, Scenario};

/// The fewest kills of a run.
const KILLS: u32 = 10;
/// How many songs are submitted at the same time.
const AT_ONCE: usize = 4;
/// The lease of a submit at the last kill, the sweep's grace and interval, on a busy machine.
const SETTLED: Duration = Duration::from_mins(2);
/// The limit for a graceful stop.
const STOP: Duration = Duration::from_secs(20);

/// The scenarios.
pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "one-process-killed",
            "task-center on SQLite is killed with SIGKILL again and again, and started at once, while a \
             client submits songs. Every accepted song is stored, charged and made once.",
            killed,
        )
        .lasts(20),
    ]
}

async fn killed(run: &Run) {
    let folder = Folder::new();
    let quick = ["--song-time", "500ms..1500ms"];
    let upstream = Upstream::start("first", folder.path(), &quick).await;
    let address = format!("127.0.0.1:{}", free_port());
    let file = folder.path().join("task-center.db");
    let launch = Launch::new(Program::TaskCenter, folder.path())
        .env("DATABASE_URL", format!("sqlite://{}", file.display()))
        .env("API_BIND", &address)
        .env("SUNO_BASE_URL", &upstream.url)
        .env("SUNO_API_KEY", &upstream.key)
        .env("POLL_INITIAL_DELAY", "1s")
        .env("POLL_MAX_DELAY", "2s")
        .env("UPSTREAM_SUBMIT_TIMEOUT", "3s")
        .env("UPSTREAM_FETCH_TIMEOUT", "3s")
        .env("LOG_FORMAT", "json");
    let operator = Operator(launch.clone());
    let url = format!("http://{address}");
    let ann = create_user(&operator, "ann", PLENTY, None, url).await;
    let ann = PatientClient::of(ann);
    let until = Instant::now() + run.duration;
    let random = StdRng::seed_from_u64(run.seed);
    // The load goes on for two seconds more, for the process that was started last.
    let load = ann.submit_until(AT_ONCE, until + Duration::from_secs(2));
    let ((kills, last), ()) = tokio::join!(kill_until(&launch, until, random), load);
    run.fact("kills", kills);

    let options = SqliteConnectOptions::new().filename(file);
    let options = options.pragma("query_only", "ON");
    let connect = async || options.connect().await.expect("the file opens");
    all_end(SETTLED, async || Database::Sqlite(connect().await)).await;
    let submits = ann.submits();
    assert!(submits.iter().all(|submit| submit.tasks().count() == 1));
    last.stop(STOP).await;
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut connect().await)
        .await
        .expect("the database answers");
    assert_eq!(integrity, "ok");
    let database = Database::Sqlite(connect().await);
    check_tables(
        run,
        database,
        &operator,
        [&upstream].into_iter(),
        &ann.expected(),
    )
    .await;
    let log = folder.path().join("task-center.log");
    let log = std::fs::read_to_string(log).expect("it wrote a log");
    assert!(!log.contains("panicked at"), "{log}");
}

/// Starts the program and kills it again and again. Returns how often, and the process that runs.
async fn kill_until(launch: &Launch, until: Instant, mut random: StdRng) -> (u32, Process) {
    let mut kills = 0;
    let mut process = launch.start("task-center");
    while kills < KILLS || Instant::now() < until {
        process.url().await;
        sleep(Duration::from_millis(random.random_range(0..2000))).await;
        process.kill().await;
        kills += 1;
        process = launch.start("task-center");
    }
    process.url().await;
    (kills, process)
}
