//! The programs of one scenario, started, killed, stopped, and started again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::client::{Base, Client, Heard, http};
use crate::database::Database;
use crate::folder::{Folder, unique};
use crate::operator::Operator;
use crate::process::{Launch, Process, Signal};
use crate::programs::Program;
use crate::rabbitmq::RabbitMq;
use crate::servers::ServerUrls;
use crate::upstream::Upstream;

/// How long a program may take to stop in order: as long as an upstream may take to answer a submit,
/// and some.
const STOP: Duration = Duration::from_secs(20);

/// How the task center runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `api` and workers as processes of their own, on `PostgreSQL` and `RabbitMQ`.
    Separate,
    /// `task-center` on `SQLite`.
    OneProcess,
}

/// How a stack is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Variables of the programs, beside those that say where things are.
    pub env: BTreeMap<&'static str, String>,
    /// The upstreams, each a channel: its name, and what its simulator is started with.
    pub upstreams: Vec<(&'static str, Vec<&'static str>)>,
    /// How many workers there are, where they are processes.
    pub workers: usize,
    /// How long the scenario may take.
    pub limit: Duration,
}

impl Default for Setup {
    /// One upstream that takes a second or two; polls every two seconds.
    fn default() -> Self {
        let env = [
            ("POLL_INITIAL_DELAY", "1s"),
            ("POLL_MAX_DELAY", "2s"),
            ("TASK_TIMEOUT", "3m"),
            ("UPSTREAM_SUBMIT_TIMEOUT", "3s"),
            ("UPSTREAM_FETCH_TIMEOUT", "3s"),
            ("DATABASE_MAX_CONNECTIONS", "5"),
            ("LOG_FORMAT", "json"),
        ];
        Self {
            env: env.map(|(name, value)| (name, value.to_owned())).into(),
            upstreams: vec![("first", QUICK.to_vec())],
            workers: 2,
            limit: Duration::from_secs(90),
        }
    }
}

/// What a simulator is started with that takes a second or two for everything.
pub const QUICK: [&str; 4] = ["--song-time", "500ms..1500ms", "--lyrics-time", "500ms..1s"];

impl Setup {
    /// With this variable.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    /// With this time for the whole scenario.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// With these upstreams.
    #[must_use]
    pub fn upstreams(mut self, upstreams: &[(&'static str, &[&'static str])]) -> Self {
        let upstreams = upstreams.iter().map(|&(name, with)| (name, with.to_vec()));
        self.upstreams = upstreams.collect();
        self
    }
}

/// A task center, its upstreams, and what they stand on.
#[derive(Debug)]
pub struct Stack {
    /// How it runs.
    pub kind: Kind,
    /// The upstreams, in the order of their channels' ids.
    pub upstreams: Vec<Upstream>,
    /// The process that serves clients, while it runs.
    pub api: Option<Process>,
    /// The processes that only work, while they run.
    pub workers: Vec<Process>,
    /// Its part of `RabbitMQ`.
    pub rabbitmq: Option<RabbitMq>,
    workers_wanted: usize,
    launch: Launch,
    database: Option<Database>,
    base: Base,
    heard: Heard,
    granted: Vec<(String, i64)>,
    started: usize,
    folder: Folder,
}

impl Stack {
    /// Starts everything.
    pub async fn start(kind: Kind, setup: &Setup) -> Self {
        let folder = Folder::new();
        let program = match kind {
            Kind::Separate => Program::Api,
            Kind::OneProcess => Program::TaskCenter,
        };
        let log = std::env::var("E2E_RUST_LOG").unwrap_or_else(|_| "info".to_owned());
        let mut launch = Launch::new(program, folder.path())
            .env("API_BIND", "127.0.0.1:0")
            .env("WORKER_BIND", "127.0.0.1:0")
            .env("RUST_LOG", log);
        for (name, value) in &setup.env {
            launch = launch.env(name, value);
        }
        let (mut database, mut rabbitmq) = (None, None);
        if kind == Kind::Separate {
            let servers = ServerUrls::from_environment();
            let made = Database::create(&servers.postgres, "e2e").await;
            let prefix = format!("e2e_{}", unique());
            launch = launch
                .env("DATABASE_URL", made.url())
                .env("AMQP_URL", servers.amqp.to_string())
                .env("QUEUE_PREFIX", &prefix);
            rabbitmq = Some(RabbitMq::new(&servers, &prefix));
            database = Some(made);
        }
        let starting = setup.upstreams.iter();
        let starting = starting.map(|(name, with)| Upstream::start(name, folder.path(), with));
        let mut stack = Self {
            kind,
            upstreams: join_all(starting).await,
            api: None,
            workers: Vec::new(),
            rabbitmq,
            workers_wanted: setup.workers,
            launch,
            database,
            base: Base::default(),
            heard: Heard::default(),
            granted: Vec::new(),
            started: 0,
            folder,
        };
        stack.create_channels().await;
        stack.serve().await;
        stack
    }

    async fn create_channels(&self) {
        for upstream in &self.upstreams {
            let Upstream { name, url, key, .. } = upstream;
            self.operator().create_channel(name, url, key, &[]).await;
        }
    }

    /// The command line on its database.
    pub fn operator(&self) -> Operator {
        Operator(self.launch.clone())
    }

    /// The only upstream, or the first.
    pub fn upstream(&self) -> &Upstream {
        &self.upstreams[0]
    }

    /// A new user with this quota and a key without a limit of its own.
    pub async fn user(&mut self, name: &str, quota: i64) -> Client {
        self.person(name, "user", quota, None).await
    }

    /// A new administrator.
    pub async fn admin(&mut self, name: &str) -> Client {
        self.person(name, "admin", 0, None).await
    }

    /// A new user with a key that may spend no more than `limit`.
    pub async fn user_with_limit(&mut self, name: &str, quota: i64, limit: i64) -> Client {
        self.person(name, "user", quota, Some(limit)).await
    }

    async fn person(&mut self, name: &str, role: &str, quota: i64, limit: Option<i64>) -> Client {
        let operator = self.operator();
        let granted = quota.to_string();
        let user = [
            "user", "create", "--name", name, "--role", role, "--quota", &granted,
        ];
        let user = operator.json(&user).await;
        let limit = limit.map(|limit| limit.to_string());
        let mut key = vec!["key", "create", "--user", name, "--label", "e2e"];
        if let Some(limit) = &limit {
            key.extend(["--quota", limit]);
        }
        let key = operator.json(&key).await;
        self.granted.push((name.to_owned(), quota));
        let text = |value: &Value| value.as_str().expect("a secret is a text").to_owned();
        Client {
            name: name.to_owned(),
            id: user["id"].as_i64().expect("an id is a number"),
            token: text(&user["access_token"]),
            key: text(&key["key"]),
            base: Arc::clone(&self.base),
            heard: Arc::clone(&self.heard),
            http: http(),
        }
    }

    /// What a user has left, and what they used.
    pub async fn quota(&self, name: &str) -> (i64, i64) {
        let users = self.operator().json(&["user", "list"]).await;
        let users = users.as_array().expect("users are a list");
        let user = users.iter().find(|user| user["name"] == name);
        let user = user.unwrap_or_else(|| panic!("there is no user {name}"));
        let number = |field: &str| user[field].as_i64().expect("quota is a number");
        (number("quota"), number("used_quota"))
    }

    /// Starts what does not run.
    pub async fn serve(&mut self) {
        if self.kind == Kind::Separate {
            while self.workers.len() < self.workers_wanted {
                let name = self.next_name("worker");
                let launch = Launch {
                    program: Program::Worker,
                    ..self.launch.clone()
                };
                self.workers.push(launch.start(&name));
            }
        }
        if self.api.is_none() {
            let name = self.next_name("api");
            self.api = Some(self.launch.start(&name));
        }
        for process in self.api.iter_mut().chain(&mut self.workers) {
            process.url().await;
        }
        let url = self.api.as_mut().expect("it was started").url().await;
        *lock(&self.base) = url;
    }

    fn next_name(&mut self, role: &str) -> String {
        self.started += 1;
        format!("{role}-{}", self.started)
    }

    /// Stops everything in order with SIGTERM; each must exit with 0.
    pub async fn stop(&mut self) {
        let running = self.workers.drain(..).chain(self.api.take());
        join_all(running.map(|process| process.stop(STOP))).await;
    }

    /// Kills one worker with SIGKILL; in one process that is everything.
    pub async fn kill_a_worker(&mut self) {
        let killed = match self.kind {
            Kind::Separate => Some(self.workers.remove(0)),
            Kind::OneProcess => self.api.take(),
        };
        killed.expect("it runs").kill().await;
    }

    /// Kills everything with SIGKILL, at once.
    pub async fn kill_all(&mut self) {
        let mut running: Vec<Process> = self.workers.drain(..).chain(self.api.take()).collect();
        join_all(running.iter().map(|process| process.signal(Signal::Kill))).await;
        for process in &mut running {
            process.ended(STOP).await;
        }
    }

    /// What must hold after every scenario, whatever happened in it.
    pub async fn check(&self) {
        let audit = self.operator().json(&["audit"]).await;
        assert_eq!(audit["balanced"], true, "{audit}");
        for (name, granted) in &self.granted {
            let (left, used) = self.quota(name).await;
            assert_eq!(left + used, *granted, "{name} has {left} and used {used}");
        }
        if let Some(rabbitmq) = &self.rabbitmq {
            assert_eq!(rabbitmq.parked().await, None, "no worker could handle it");
        }
        let mut secrets = Vec::new();
        for upstream in &self.upstreams {
            let counts = upstream.counts().await;
            let most = counts["max_accepted_per_title"].as_u64().expect("a number");
            assert!(most <= 1, "{} was asked twice: {counts}", upstream.name);
            secrets.extend([upstream.key.clone(), upstream.url.clone()]);
            secrets.push(upstream.url.replace("http://", ""));
            secrets.extend(upstream.ids().await);
        }
        for text in lock(&self.heard).iter() {
            let leaked = secrets.iter().find(|&secret| text.contains(secret));
            assert!(leaked.is_none(), "{leaked:?} stands in {text}");
        }
    }

    /// The ends of all logs, for whoever must find out what went wrong.
    pub fn logs(&self) -> String {
        let running = self.api.iter().chain(&self.workers);
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder is there")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        files.sort();
        let ends = files.iter().map(|path| {
            let log = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(40)..];
            format!("--- {}\n{}", path.display(), end.join("\n"))
        });
        let ends: Vec<String> = ends.collect();
        let names: Vec<&str> = running.map(Process::name).collect();
        format!("{}\n--- running: {}", ends.join("\n"), names.join(", "))
    }

    /// Takes everything down, whatever state it is in.
    pub async fn take_down(mut self) {
        self.kill_all().await;
        if let Some(rabbitmq) = &self.rabbitmq {
            rabbitmq.delete_all().await;
        }
        if let Some(database) = self.database.take() {
            database.drop().await;
        }
        if std::env::var_os("E2E_KEEP").is_some() {
            eprintln!("kept: {}", self.folder.path().display());
            std::mem::forget(self.folder);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked")
}
