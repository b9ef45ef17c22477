//! `task-center`, everything in one process on `SQLite`: killed again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::client::{Client, http};
use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use harness::upstream::Upstream;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::{Instant, sleep};

use super::asking::ask_on;
use crate::books::{Books, Source};
use crate::counts;
use crate::record::Record;
use crate::run::{Run, Scenario};
use harness::servers::ports::free_port;

/// The scenarios.
pub const SCENARIOS: [Scenario; 1] = [Scenario {
    name: "one-process-killed",
    about: "task-center on SQLite is killed with SIGKILL again and again, started at once, and asked \
            for songs all the while. What it answered is there, each song is charged and made once.",
    harsh: false,
    lasts: Some(Duration::from_secs(20)),
    body: |run| Box::pin(killed(run)),
}];

/// What the user is granted: more than can be spent.
const QUOTA: i64 = 10_000_000_000;
/// The fewest kills of a run.
const KILLS: u32 = 10;
/// How many songs are asked for at once.
const AT_ONCE: usize = 4;
/// The lease of a submit that was under way at the last kill, the sweep's grace and beat, and what a
/// busy machine takes.
const SETTLED: Duration = Duration::from_mins(2);

/// How long it may take to stop in order.
const STOP: Duration = Duration::from_secs(20);

/// The program, its data and its upstream.
struct Center {
    launch: Launch,
    upstream: Upstream,
    url: String,
    folder: Folder,
}

async fn killed(run: &Run) {
    let center = Center::prepare().await;
    let ann = center.user("ann").await;
    let record = Record::default();
    let until = Instant::now() + run.duration;
    let clients = [ann];
    let mut chance = StdRng::seed_from_u64(run.seed);
    // The load lasts a little longer: the last one to be started is asked, too.
    let load = ask_on(&clients, AT_ONCE, until + Duration::from_secs(2), &record);
    let ((kills, last), ()) = tokio::join!(center.die_until(until, &mut chance), load);
    run.fact("kills", kills);

    let mut database = center.database().await;
    center.settled(&mut database).await;
    let books = Books::read(Source::Sqlite(&mut database)).await;
    let asked = record.all();
    let granted = HashMap::from([("ann".to_owned(), QUOTA)]);
    let breaks = books.breaks().into_iter();
    for why in breaks.chain(books.breaks_of(&asked, &granted)) {
        run.broke(why);
    }
    for why in counts::breaks(Source::Sqlite(&mut database)).await {
        run.broke(why);
    }
    let sums = books.sums();
    run.fact("songs", asked.len());
    run.fact("books", &sums);
    assert_eq!(books.tasks.len(), asked.len(), "{sums:?}");
    assert!(asked.iter().all(|one| one.tasks().count() == 1));
    center.made_once(run, &books).await;
    last.stop(STOP).await;
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut database)
        .await
        .expect("the database reads");
    assert_eq!(sound, "ok");
    let audit = Operator(center.launch.clone()).run(&["audit"]).await;
    assert_eq!(audit.code, 0, "{}{}", audit.stdout, audit.stderr);
    let log = center.log();
    assert!(!log.contains("panicked at"), "{log}");
}

impl Center {
    async fn prepare() -> Self {
        let folder = Folder::new();
        let quick = ["--song-time", "500ms..1500ms"];
        let upstream = Upstream::start("first", folder.path(), &quick).await;
        let at = format!("127.0.0.1:{}", free_port());
        let data = folder.path().join("task-center.db");
        let launch = Launch::new(Program::TaskCenter, folder.path())
            .env("DATABASE_URL", format!("sqlite://{}", data.display()))
            .env("API_BIND", &at)
            .env("SUNO_BASE_URL", &upstream.url)
            .env("SUNO_API_KEY", &upstream.key)
            .env("POLL_INITIAL_DELAY", "1s")
            .env("POLL_MAX_DELAY", "2s")
            .env("UPSTREAM_SUBMIT_TIMEOUT", "3s")
            .env("UPSTREAM_FETCH_TIMEOUT", "3s")
            .env("LOG_FORMAT", "json");
        Self {
            launch,
            upstream,
            url: format!("http://{at}"),
            folder,
        }
    }

    /// A new user with a key.
    async fn user(&self, name: &str) -> Client {
        let operator = Operator(self.launch.clone());
        let quota = QUOTA.to_string();
        let create = ["user", "create", "--name", name, "--quota", &quota];
        let user = operator.json(&create).await;
        let create = ["key", "create", "--user", name, "--label", "chaos"];
        let key = operator.json(&create).await;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Client {
            name: name.to_owned(),
            id: user["id"].as_i64().expect("an id is a number"),
            token: text(&user["access_token"]),
            key: text(&key["key"]),
            base: Arc::new(Mutex::new(self.url.clone())),
            heard: Arc::default(),
            http: http(),
        }
    }

    /// Starts it and kills it again and again; returns how often, and the one that was started last.
    async fn die_until(&self, until: Instant, chance: &mut StdRng) -> (u32, Process) {
        let mut kills = 0;
        let mut process = self.launch.start("task-center");
        while kills < KILLS || Instant::now() < until {
            process.url().await;
            sleep(Duration::from_millis(chance.random_range(0..2000))).await;
            process.kill().await;
            kills += 1;
            process = self.launch.start("task-center");
        }
        process.url().await;
        (kills, process)
    }

    async fn database(&self) -> SqliteConnection {
        let file = self.folder.path().join("task-center.db");
        let options = SqliteConnectOptions::new().filename(file);
        let connected = options.pragma("query_only", "ON").connect().await;
        connected.expect("the file opens")
    }

    async fn settled(&self, database: &mut SqliteConnection) {
        let started = Instant::now();
        loop {
            let unfinished: i64 = sqlx::query_scalar("SELECT count(*) FROM unfinished_tasks")
                .fetch_one(&mut *database)
                .await
                .expect("the database counts");
            if unfinished == 0 {
                return;
            }
            assert!(started.elapsed() < SETTLED, "{unfinished} are unfinished");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Nothing was accepted twice; each SUCCESS was accepted.
    async fn made_once(&self, run: &Run, books: &Books) {
        let tasks: Vec<_> = books.tasks.values().collect();
        let titles: Vec<String> = tasks.iter().map(|task| task.title.clone()).collect();
        let counts = self.upstream.all_asked_and_accepted(&titles).await;
        for (task, (_, accepted)) in tasks.iter().zip(counts) {
            if accepted > 1 || task.status == "SUCCESS" && accepted != 1 {
                run.broke(format!("{:?} was accepted {accepted} times", task.title));
            }
        }
    }

    fn log(&self) -> String {
        let file = self.folder.path().join("task-center.log");
        std::fs::read_to_string(file).unwrap_or_default()
    }
}
