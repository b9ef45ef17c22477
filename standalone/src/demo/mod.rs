//! `task-center demo`: submits, results and refunds, on a temporary database.
//!
//! The demo starts everything on free ports and submits six tasks through the public API. One fails
//! upstream and one is refused. The demo shows their progress, then the listing and the audit.

mod client;
mod screen;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use shared::broker::in_process::InProcess;
use shared::clock::{Clock as _, SystemClock};
use shared::config::{Cors, DatabaseUrl, ListingActions, Log, Networks};
use shared::process::http::{Bounds, Server};
use shared::process::lifecycle::Stop;
use shared::process::telemetry;
use shared::process::{Failed, Process, fail};
use shared::random::Random;
use shared::secret::Secret;
use shared::store::accounts::{NewKey, NewUser, Role};
use shared::store::channels::NewChannel;
use shared::store::{Plans, Store};
use shared::task::wait::PollPace;
use shared::task::{Platform, Quota};
use suno_simulator::{Options, Simulator, Span};

use crate::center::Center;
use client::{Client, SeenTask};
use screen::Screen;
use script::{Scene, scenes};

/// The connections to the database.
const CONNECTIONS: u32 = 10;
/// The quota of the demo's user.
const GRANTED: i64 = 1_000_000;
/// The longest time for the six tasks, which take some 15 s.
const TIMEOUT: Duration = Duration::from_secs(90);
/// The time between two updates of the screen.
const FRAME: Duration = Duration::from_millis(200);

/// Runs the demo. Exit code 0 means that every task ended as expected and the audit found no break.
pub async fn run() -> ExitCode {
    // Other log lines would disturb the screen.
    telemetry::init(&Log::errors_only());
    tokio::select! {
        ended = demo() => match ended {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => fail(&error),
        },
        _ = tokio::signal::ctrl_c() => ExitCode::from(130),
    }
}

/// Whether every task ended as expected and the audit found no break.
async fn demo() -> Result<bool, Failed> {
    let random = Arc::new(Random::from_system());
    let folder = Folder::make(&random)?;
    let upstream = simulator().await?;
    let database = DatabaseUrl::Sqlite(folder.0.join("demo.db"));
    let store = Store::open(&database, CONNECTIONS, Plans::Kept).await?;
    store.migrate().await?;
    let stop = Stop::new();
    let broker = Arc::new(InProcess::new());
    let process = Process::new(store.clone(), broker, random.clone(), stop.clone());
    add_channel(&store, &upstream).await?;
    let bounds = Bounds::with_total(100, Networks::default());
    let server = Server::bind(free_port(), None, bounds).await?;
    let center = Center::start(process, server.into(), api_settings(), worker_settings())?;
    let client = make_user(&store, &random, center.url.clone()).await?;
    println!("task-center demo: everything runs in this process, on a throw-away database.");
    println!("  API      {}", center.url);
    let simulated = upstream.base_url();
    println!("  upstream {simulated} (a simulator; no music is made)\n");
    let running = tokio::spawn(center.run());

    let scenes = scenes();
    let seen = watch(&client, &scenes).await?;
    let as_expected = print_ends(&scenes, &seen);
    print_listing(&client).await?;
    let balanced = print_books(&store, client.user).await?;

    stop.request();
    running.await??;
    upstream.shutdown().await;
    Ok(as_expected && balanced)
}

/// A folder that is removed when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn make(random: &Random) -> std::io::Result<Self> {
        let name = format!("task-center-demo-{}", random.letters_and_digits(12));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

fn free_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Starts an upstream that takes seconds instead of minutes.
async fn simulator() -> std::io::Result<Simulator> {
    suno_simulator::start(Options {
        bind: free_port(),
        song_time: Span::between(Duration::from_secs(7), Duration::from_secs(12)),
        lyrics_time: Span::between(Duration::from_secs(4), Duration::from_secs(6)),
        ..Options::default()
    })
    .await
}

fn api_settings() -> api::start::Settings {
    api::start::Settings {
        queue_timeout: TIMEOUT,
        cors: Cors::None,
        listing_actions: ListingActions::default(),
        drain_delay: Duration::ZERO,
        rate_limit: 0,
        trusted_proxies: Networks::default(),
        database_connections: CONNECTIONS,
    }
}

fn worker_settings() -> worker::Settings {
    worker::Settings {
        task_timeout: TIMEOUT,
        pace: PollPace {
            initial: Duration::from_secs(2),
            max: Duration::from_secs(2),
        },
        submit_attempts: 5,
        submit_timeout: Duration::from_secs(10),
        fetch_timeout: Duration::from_secs(10),
        public_url: None,
    }
}

async fn add_channel(store: &Store, upstream: &Simulator) -> Result<(), Failed> {
    let (url, key) = (upstream.base_url(), Secret::new("demo-upstream-key"));
    let channel = NewChannel::new("demo-upstream", Platform::SUNO, url, key);
    store.put_channel(channel, SystemClock.now()).await?;
    Ok(())
}

async fn make_user(store: &Store, random: &Random, url: String) -> Result<Client, Failed> {
    let now = SystemClock.now();
    let (token, key) = (Secret::access_token(random), Secret::api_key(random));
    let user = NewUser {
        name: "demo".to_owned(),
        role: Role::User,
        quota: Quota::try_from(GRANTED)?,
        token: token.digest(),
    };
    let user = store
        .create_user(user, now)
        .await?
        .ok_or("the demo's user exists already")?;
    store
        .create_key(NewKey::new(user, "demo", key.digest()), now)
        .await?;
    Ok(Client {
        url,
        key: key.expose().to_owned(),
        token: token.expose().to_owned(),
        user: user.0,
        http: reqwest::Client::builder().no_proxy().build()?,
    })
}

/// Submits the tasks and shows them until each has ended.
async fn watch(client: &Client, scenes: &[Scene]) -> Result<Vec<SeenTask>, Failed> {
    let started = SystemClock.now();
    let mut ids = Vec::new();
    for scene in scenes {
        ids.push(client.submit(scene).await?);
    }
    let mut screen = Screen::new(scenes.len());
    loop {
        let tasks = client.fetch(&ids).await?;
        let seen: Vec<Option<SeenTask>> = ids
            .iter()
            .map(|id| tasks.iter().find(|task| task.task_id == *id).cloned())
            .collect();
        let since = SystemClock.now().since(started);
        screen.show(scenes, &seen, since)?;
        let ended =
            |seen: &Option<SeenTask>| seen.as_ref().is_some_and(|seen| seen.progress == "100%");
        if seen.iter().all(ended) {
            return Ok(seen.into_iter().flatten().collect());
        }
        if since > TIMEOUT {
            return Err("the tasks did not end in time".into());
        }
        tokio::time::sleep(FRAME).await;
    }
}

/// Prints whether each task ended as expected, and returns it.
fn print_ends(scenes: &[Scene], seen: &[SeenTask]) -> bool {
    let wrong: Vec<String> = scenes
        .iter()
        .zip(seen)
        .filter(|(scene, seen)| scene.end != seen.status)
        .map(|(scene, seen)| format!("{} is {}, not {}", scene.name, seen.status, scene.end))
        .collect();
    match wrong.as_slice() {
        [] => println!("\nEvery task ended as it should."),
        wrong => println!("\nNot as it should be: {}.", wrong.join("; ")),
    }
    wrong.is_empty()
}

async fn print_listing(client: &Client) -> Result<(), Failed> {
    let page = client.list().await?;
    println!("\nGET /api/task/self");
    println!(
        "  {:>3}  {:<38}{:<8}{:<9}{:>8}  fail_reason",
        "id", "task_id", "action", "status", "quota"
    );
    for task in page["items"].as_array().into_iter().flatten() {
        let number = |field: &str| task[field].as_i64().unwrap_or_default();
        let text = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
        println!(
            "  {:>3}  {:<38}{:<8}{:<9}{:>8}  {}",
            number("id"),
            text("task_id"),
            text("action"),
            text("status"),
            number("quota"),
            text("fail_reason")
        );
    }
    println!("  total {}", page["total"]);
    Ok(())
}

/// Prints the balance and the audit, and returns whether the audit found no break.
async fn print_books(store: &Store, user: i64) -> Result<bool, Failed> {
    let users = store.users().await?;
    let user = users
        .iter()
        .find(|known| known.id.0 == user)
        .ok_or("the demo's user is gone")?;
    let audit = store.audit().await?;
    println!("\nThe books");
    println!("  granted      {GRANTED:>9}");
    let (spent, left) = (user.used_quota.get(), user.quota.get());
    println!("  used         {spent:>9}  (what failed was given back)");
    println!("  left         {left:>9}");
    let adds_up = left + spent == GRANTED;
    if audit.breaks.is_empty() && adds_up {
        let (entries, tasks) = (audit.entries, audit.tasks);
        println!("  audit: balanced ({tasks} tasks, {entries} ledger entries)");
        return Ok(true);
    }
    println!("  audit: THE BOOKS DO NOT BALANCE");
    for found in &audit.breaks {
        println!("    {found}");
    }
    Ok(false)
}
