//! A cluster: APIs, workers and upstreams on shared servers, each behind proxies of its own.

mod node;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use harness::client::{Client, http};
use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::operator::Operator;
use harness::process::Launch;
use harness::programs::Program;
use harness::proxy::Proxy;
use harness::rabbitmq::RabbitMq;
use harness::servers::ports::free_port;
use harness::servers::{ServerUrls, Servers};
use harness::upstream::Upstream;
use serde_json::Value;
use sqlx::postgres::PgConnection;

pub use node::Node;

/// What a cluster consists of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Environment variables of APIs and workers, beside addresses.
    pub env: BTreeMap<&'static str, String>,
    /// The upstreams: the channel's name, and the simulator's arguments.
    pub upstreams: Vec<(&'static str, Vec<&'static str>)>,
    /// The number of APIs.
    pub apis: usize,
    /// The number of workers.
    pub workers: usize,
}

impl Default for Setup {
    /// One of each. Songs take about a second, and all delays are short.
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
    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    /// Replaces the upstreams.
    #[must_use]
    pub fn upstreams(mut self, upstreams: &[(&'static str, &[&'static str])]) -> Self {
        let upstreams = upstreams.iter().map(|&(name, with)| (name, with.to_vec()));
        self.upstreams = upstreams.collect();
        self
    }

    /// Sets the number of workers.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }
}

/// A channel of the cluster.
#[derive(Debug)]
pub struct Channel {
    /// The simulated upstream.
    pub upstream: Upstream,
    /// The connections of all workers to the upstream.
    pub wire: Proxy,
}

/// A task center.
#[derive(Debug)]
pub struct Cluster {
    /// The servers, which other clusters may share.
    pub servers: Arc<Servers>,
    /// The APIs.
    pub apis: Vec<Node>,
    /// The workers.
    pub workers: Vec<Node>,
    /// The channels, in the order of their ids.
    pub channels: Vec<Channel>,
    /// The cluster's queues, by the broker's management API.
    pub rabbitmq: RabbitMq,
    database: Database,
    prefix: String,
    operator: Operator,
    folder: Folder,
}

impl Cluster {
    /// Starts everything, and waits until all nodes serve.
    pub async fn start(servers: &Arc<Servers>, setup: &Setup) -> Self {
        let folder = Folder::new();
        let prefix = format!("chaos_{}", unique());
        let (postgres, rabbitmq) = (servers.postgres.lock().await, servers.rabbitmq.lock().await);
        let database = Database::create(&postgres.options("postgres"), "chaos").await;
        let urls = ServerUrls {
            postgres: database.options(),
            amqp: rabbitmq.url(&rabbitmq.address()).parse().expect("a URL"),
            management: rabbitmq.management(),
        };
        let mut launch = Launch::new(Program::Api, folder.path())
            .env("DATABASE_URL", database.url())
            .env("AMQP_URL", urls.amqp.as_str())
            .env("QUEUE_PREFIX", &prefix);
        for (name, value) in &setup.env {
            launch = launch.env(name, value);
        }
        let node = async |program: Program, bind: &str, name: String| {
            let to_postgres = Proxy::to(postgres.address()).await;
            let to_rabbitmq = Proxy::to(rabbitmq.address()).await;
            let address = format!("127.0.0.1:{}", free_port());
            let launch = Launch {
                program,
                ..launch.clone()
            };
            let launch = launch
                .env(bind, &address)
                .env("DATABASE_URL", database.url_through(&to_postgres.address()))
                .env("AMQP_URL", rabbitmq.url(&to_rabbitmq.address()));
            let url = format!("http://{address}");
            Node::new(name, launch, url, to_postgres, to_rabbitmq)
        };
        let (mut apis, mut workers) = (Vec::new(), Vec::new());
        for number in 1..=setup.apis {
            apis.push(node(Program::Api, "API_BIND", format!("api-{number}")).await);
        }
        for number in 1..=setup.workers {
            workers.push(node(Program::Worker, "WORKER_BIND", format!("worker-{number}")).await);
        }
        drop((postgres, rabbitmq));
        let mut cluster = Self {
            servers: Arc::clone(servers),
            apis,
            workers,
            channels: Vec::new(),
            rabbitmq: RabbitMq::new(&urls, &prefix),
            database,
            prefix,
            operator: Operator(launch),
            folder,
        };
        for (name, arguments) in &setup.upstreams {
            cluster.add_channel(name, arguments).await;
        }
        join_all(cluster.nodes().map(Node::serve)).await;
        cluster
    }

    async fn add_channel(&mut self, name: &str, arguments: &[&str]) {
        let upstream = Upstream::start(name, self.folder.path(), arguments).await;
        let wire = Proxy::to(upstream.url.trim_start_matches("http://").to_owned()).await;
        let url = format!("http://{}", wire.address());
        let key = &upstream.key;
        self.operator.create_channel(name, &url, key, &[]).await;
        self.channels.push(Channel { upstream, wire });
    }

    /// APIs and workers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.apis.iter().chain(&self.workers)
    }

    /// The command line, without a proxy.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The prefix of its queues' names.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its database. [`Self::connect`] waits while somebody breaks the server.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A connection to its database without a proxy, once the server answers.
    pub async fn connect(&self) -> PgConnection {
        let _postgres = self.servers.postgres.lock().await;
        self.database.connect().await
    }

    /// Executes statements, without a proxy.
    pub async fn execute(&self, sql: &str) {
        let _postgres = self.servers.postgres.lock().await;
        self.database.execute(sql).await;
    }

    /// A new user with this quota and one key; `limit` is the key's.
    pub async fn user(&self, name: &str, quota: i64, limit: Option<i64>) -> Client {
        let url = self.apis.first().map(|api| api.url.clone());
        create_user(&self.operator, name, quota, limit, url.unwrap_or_default()).await
    }

    /// One more key of a user.
    pub async fn key(&self, user: &str, limit: Option<i64>) -> String {
        create_key(&self.operator, user, limit).await
    }

    /// Starts servers and nodes that do not run, and mends all proxies. A frozen process stays frozen.
    pub async fn mend(&self) {
        self.servers.mend().await;
        for channel in &self.channels {
            channel.wire.mend();
        }
        for node in self.nodes() {
            node.postgres.mend();
            node.rabbitmq.mend();
        }
        join_all(self.nodes().map(Node::serve)).await;
    }

    /// The lines of all logs that tell a panic.
    pub fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for node in self.nodes() {
            let log = node.log();
            let lines = log.lines().filter(|line| line.contains("panicked at"));
            found.extend(lines.map(|line| format!("{}: {line}", node.name)));
        }
        found
    }

    /// The last lines of all logs.
    pub fn logs(&self) -> String {
        let end = |node: &Node| {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(30)..];
            format!("--- {}\n{}", node.name, end.join("\n"))
        };
        self.nodes().map(end).collect::<Vec<_>>().join("\n")
    }

    /// Kills all nodes, and removes the database, the queues and the folder.
    pub async fn take_down(self) {
        for node in self.nodes() {
            node.kill().await;
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

/// Creates a user with this quota and one key, for the API at `url`; `limit` is the key's.
pub async fn create_user(
    operator: &Operator,
    name: &str,
    quota: i64,
    limit: Option<i64>,
    url: String,
) -> Client {
    let quota = quota.to_string();
    let create = ["user", "create", "--name", name, "--quota", &quota];
    let user = operator.json(&create).await;
    Client {
        name: name.to_owned(),
        id: user["id"].as_i64().expect("an id is a number"),
        token: text(&user["access_token"]),
        key: create_key(operator, name, limit).await,
        base: Arc::new(std::sync::Mutex::new(url)),
        heard: Arc::default(),
        http: http(),
    }
}

async fn create_key(operator: &Operator, user: &str, limit: Option<i64>) -> String {
    let limit = limit.map(|limit| limit.to_string());
    let mut create = vec!["key", "create", "--user", user, "--label", "chaos"];
    if let Some(limit) = &limit {
        create.extend(["--quota", limit]);
    }
    text(&operator.json(&create).await["key"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("a secret is a text").to_owned()
}
