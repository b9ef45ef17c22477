//! A site: API, workers and upstreams on both servers, each on wires of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use harness::client::Client;
use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::operator::Operator;
use harness::process::Launch;
use harness::programs::Program;
use harness::rabbitmq::RabbitMq;
use harness::upstream::Upstream;
use serde_json::Value;
use sqlx::postgres::PgConnection;

use crate::member::Member;
use harness::proxy::Proxy;
use harness::servers::Servers;
use harness::servers::ports::free_port;

/// How a site is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Variables of API and workers, beside those that say where things are.
    pub env: BTreeMap<&'static str, String>,
    /// The upstreams, each a channel: its name, and what its simulator is started with.
    pub upstreams: Vec<(&'static str, Vec<&'static str>)>,
    /// How many APIs there are.
    pub apis: usize,
    /// How many workers.
    pub workers: usize,
}

impl Default for Setup {
    /// One of each; songs that take a second or two; everything that waits, short.
    fn default() -> Self {
        let env = [
            ("POLL_INITIAL_DELAY", "1s"),
            ("POLL_MAX_DELAY", "2s"),
            ("TASK_TIMEOUT", "5m"),
            ("UPSTREAM_SUBMIT_TIMEOUT", "3s"),
            ("UPSTREAM_FETCH_TIMEOUT", "3s"),
            ("DATABASE_MAX_CONNECTIONS", "5"),
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "info"),
        ];
        Self {
            env: env.map(|(name, value)| (name, value.to_owned())).into(),
            upstreams: vec![("first", vec!["--song-time", "500ms..1500ms"])],
            apis: 1,
            workers: 1,
        }
    }
}

impl Setup {
    /// With this variable.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    /// With these upstreams.
    #[must_use]
    pub fn upstreams(mut self, upstreams: &[(&'static str, &[&'static str])]) -> Self {
        let upstreams = upstreams.iter().map(|&(name, with)| (name, with.to_vec()));
        self.upstreams = upstreams.collect();
        self
    }

    /// With so many workers.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }
}

/// An upstream, and the wire to it.
#[derive(Debug)]
pub struct Channel {
    /// The simulator.
    pub upstream: Upstream,
    /// The wire that all workers reach it by.
    pub wire: Proxy,
}

/// A task center with all that it stands on.
#[derive(Debug)]
pub struct Site {
    /// The servers, which others may share.
    pub servers: Arc<Servers>,
    /// The APIs.
    pub apis: Vec<Member>,
    /// The workers.
    pub workers: Vec<Member>,
    /// The upstreams, in the order of their channels' ids.
    pub channels: Vec<Channel>,
    /// Its part of the broker, as its management API shows it.
    pub rabbitmq: RabbitMq,
    database: Database,
    prefix: String,
    operator: Operator,
    folder: Folder,
}

impl Site {
    /// Starts everything, and waits until it serves.
    pub async fn start(servers: &Arc<Servers>, setup: &Setup) -> Self {
        let site = Self::prepare(servers, setup).await;
        join_all(site.members().map(Member::serve)).await;
        site
    }

    /// Makes everything, with nothing of it running but the upstreams.
    pub async fn prepare(servers: &Arc<Servers>, setup: &Setup) -> Self {
        let folder = Folder::new();
        let name = unique();
        let prefix = format!("chaos_{name}");
        let (postgres, rabbitmq) = (servers.postgres.lock().await, servers.rabbitmq.lock().await);
        let database = Database::create(&postgres.options("postgres"), "chaos").await;
        let mut base = Launch::new(Program::Api, folder.path())
            .env("DATABASE_URL", database.url())
            .env("AMQP_URL", rabbitmq.url(&rabbitmq.address()))
            .env("QUEUE_PREFIX", &prefix);
        for (name, value) in &setup.env {
            base = base.env(name, value);
        }
        let operator = Operator(base.clone());
        let named = harness::servers::ServerUrls {
            postgres: database.options(),
            amqp: rabbitmq.url(&rabbitmq.address()).parse().expect("a URL"),
            management: rabbitmq.management(),
        };
        let (postgres_at, rabbitmq_at) = (postgres.address(), rabbitmq.address());
        let url_through = |address: String| database.url_through(&address);
        let through = rabbitmq.url("");
        drop((postgres, rabbitmq));
        let member = async |program: Program, bind: &str, name: String| {
            let (to_postgres, to_rabbitmq) = (
                Proxy::to(postgres_at.clone()).await,
                Proxy::to(rabbitmq_at.clone()).await,
            );
            let at = format!("127.0.0.1:{}", free_port());
            let launch = Launch {
                program,
                ..base.clone()
            };
            let amqp = through.replacen('@', &format!("@{}", to_rabbitmq.address()), 1);
            let launch = launch
                .env(bind, &at)
                .env("DATABASE_URL", url_through(to_postgres.address()))
                .env("AMQP_URL", amqp);
            Member::new(
                &name,
                launch,
                format!("http://{at}"),
                to_postgres,
                to_rabbitmq,
            )
        };
        let mut site = Self {
            servers: Arc::clone(servers),
            apis: Vec::new(),
            workers: Vec::new(),
            channels: Vec::new(),
            rabbitmq: RabbitMq::new(&named, &prefix),
            database: database.clone(),
            prefix,
            operator,
            folder,
        };
        for number in 1..=setup.apis {
            let api = member(Program::Api, "API_BIND", format!("api-{number}")).await;
            site.apis.push(api);
        }
        for number in 1..=setup.workers {
            let worker = member(Program::Worker, "WORKER_BIND", format!("worker-{number}")).await;
            site.workers.push(worker);
        }
        for (name, with) in &setup.upstreams {
            site.add_channel(name, with).await;
        }
        site
    }

    /// Starts an upstream, and makes it a channel.
    pub async fn add_channel(&mut self, name: &str, with: &[&str]) {
        let upstream = Upstream::start(name, self.folder.path(), with).await;
        let at = upstream.url.trim_start_matches("http://").to_owned();
        let wire = Proxy::to(at).await;
        let url = format!("http://{}", wire.address());
        let key = &upstream.key;
        self.operator.create_channel(name, &url, key, &[]).await;
        self.channels.push(Channel { upstream, wire });
    }

    /// APIs and workers.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.apis.iter().chain(&self.workers)
    }

    /// The command line, past every proxy.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The first part of its queues' names.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A connection to its database, past every proxy, once the server answers.
    pub async fn connect(&self) -> PgConnection {
        drop(self.servers.postgres.lock().await);
        self.database.connect().await
    }

    /// The same, past the lock of who holds the server.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Executes statements behind everybody's back.
    pub async fn execute(&self, sql: &str) {
        drop(self.servers.postgres.lock().await);
        self.database.execute(sql).await;
    }

    /// A new user with this quota and one key; `limit` is the key's.
    pub async fn user(&self, name: &str, quota: i64, limit: Option<i64>) -> Client {
        let granted = quota.to_string();
        let create = ["user", "create", "--name", name, "--quota", &granted];
        let user = self.operator.json(&create).await;
        let key = self.key(name, limit).await;
        let text = |value: &Value| value.as_str().expect("a secret is a text").to_owned();
        let url = self.apis.first().map(|api| api.url.clone());
        Client {
            name: name.to_owned(),
            id: user["id"].as_i64().expect("an id is a number"),
            token: text(&user["access_token"]),
            key,
            base: Arc::new(std::sync::Mutex::new(url.unwrap_or_default())),
            heard: Arc::default(),
            http: harness::client::http(),
        }
    }

    /// One more key of a user.
    pub async fn key(&self, user: &str, limit: Option<i64>) -> String {
        let limit = limit.map(|limit| limit.to_string());
        let mut create = vec!["key", "create", "--user", user, "--label", "chaos"];
        if let Some(limit) = &limit {
            create.extend(["--quota", limit]);
        }
        let key = self.operator.json(&create).await;
        key["key"].as_str().expect("a key is a text").to_owned()
    }

    /// Makes everything well: servers up, wires mended, processes going. Who stands still must have
    /// been let go.
    pub async fn mend(&self) {
        self.servers.mend().await;
        for channel in &self.channels {
            channel.wire.mend();
        }
        for member in self.members() {
            member.postgres.mend();
            member.rabbitmq.mend();
        }
        join_all(self.members().map(Member::serve)).await;
    }

    /// How many tasks are unfinished.
    pub async fn unfinished(&self) -> i64 {
        let mut database = self.connect().await;
        let counted = sqlx::query_scalar("SELECT count(*) FROM unfinished_tasks");
        let counted = counted.fetch_one(&mut database).await;
        counted.expect("the database counts")
    }

    /// Waits until no task is unfinished; returns how long that took.
    pub async fn settled(&self, within: Duration) -> Duration {
        let started = tokio::time::Instant::now();
        loop {
            let unfinished = self.unfinished().await;
            if unfinished == 0 {
                return started.elapsed();
            }
            assert!(
                started.elapsed() < within,
                "{unfinished} tasks are unfinished, {within:?} after the last fault"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The logs of all processes: lines at ERROR, and anything that reads like a panic.
    pub fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for member in self.members() {
            let log = member.log();
            let lines = log.lines().filter(|line| line.contains("panicked at"));
            found.extend(lines.map(|line| format!("{}: {line}", member.name)));
        }
        found
    }

    /// The ends of all logs, for whoever must find out what went wrong.
    pub fn logs(&self) -> String {
        let end = |member: &Member| {
            let log = member.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(30)..];
            format!("--- {}\n{}", member.name, end.join("\n"))
        };
        self.members().map(end).collect::<Vec<_>>().join("\n")
    }

    /// Takes everything down, whatever state it is in.
    pub async fn take_down(self) {
        for member in self.members() {
            member.kill().await;
        }
        self.servers.mend().await;
        self.rabbitmq.delete_all().await;
        let _postgres = self.servers.postgres.lock().await;
        self.database.drop().await;
        if std::env::var_os("CHAOS_KEEP").is_some() {
            eprintln!("kept: {}", self.folder.path().display());
            std::mem::forget(self.folder);
        }
    }
}
