//! A task center of its own for one test: API, workers and upstreams as processes, a database, and a
//! part of the broker.
//!
//! | file | what it holds |
//! |---|---|
//! | `setup` | what a cluster is made of, and what it stands on |
//! | [`node`] | one API or worker: started, killed, started again at the same address |
//! | `users` | the users, and what they were granted, spent and answered |

mod node;
mod setup;
mod users;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::PgConnection;

use crate::client::{Answers, LYRICS, SONG};
use crate::database::Database;
use crate::dialects::Form;
use crate::disk::Disk;
use crate::folder::{Folder, unique};
use crate::operator::Operator;
use crate::process::{Launch, Process};
use crate::programs::Program;
use crate::proxy::Proxy;
use crate::rabbitmq::RabbitMq;
use crate::servers::Servers;
use crate::servers::daemon::find;
use crate::servers::pgbouncer::{self, PgBouncer};
use crate::servers::ports::free_port;
use crate::servers::server::Server;
use crate::upstream::Upstream;
pub use node::Node;
use node::Proxies;
pub use setup::{Backend, QUICK, Setup};

/// How long a program may take to stop in order: as long as an upstream may take to answer a
/// submit, and some.
const STOP: Duration = Duration::from_secs(20);

/// An upstream that is a channel of the cluster.
#[derive(Debug)]
pub struct Channel {
    /// The simulator.
    pub upstream: Upstream,
    /// The id of the channel.
    pub id: i64,
    proxy: Option<Proxy>,
}

impl Channel {
    /// The proxy between the workers and the upstream. Panics if the setup has no proxies.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the setup has proxies")
    }
}

/// A task center with everything that it needs.
#[derive(Debug)]
pub struct Cluster {
    /// The processes that serve clients. Without a broker the only one, which does everything.
    pub apis: Vec<Node>,
    /// The processes that only work.
    pub workers: Vec<Node>,
    /// The upstreams, in the order of their channels' ids.
    pub channels: Vec<Channel>,
    /// The pooler, and its folder.
    pooler: Option<(Server<PgBouncer>, Folder)>,
    /// The file system of the `SQLite` file, if it has one of its own. Dropped before the folder.
    disk: Option<Disk>,
    /// The folder of all logs, and of the `SQLite` file.
    pub folder: Folder,
    backend: Backend,
    proxies: bool,
    rabbitmq: Option<RabbitMq>,
    database: Option<Database>,
    prefix: String,
    launch: Launch,
    answers: Answers,
    form: Option<&'static Form>,
    granted: Mutex<Vec<(String, i64)>>,
}

impl Cluster {
    /// Starts everything, and waits until it serves.
    pub async fn start(backend: Backend, setup: &Setup) -> Self {
        let cluster = Self::prepare(backend, setup).await;
        cluster.serve().await;
        cluster
    }

    /// Makes everything and starts the upstreams, but neither API nor workers.
    pub async fn prepare(backend: Backend, setup: &Setup) -> Self {
        let folder = Folder::new();
        let prefix = format!("{}_{}", setup.name, unique());
        let program = match backend {
            Backend::OneProcess => Program::TaskCenter,
            _ => Program::Api,
        };
        // Load comes from few users: only a test of the limit itself sets one.
        let mut launch = Launch::new(program, folder.path())
            .env("QUEUE_PREFIX", &prefix)
            .env("API_RATE_LIMIT", "0");
        launch.programs.clone_from(&setup.programs);
        for (name, value) in &setup.env {
            launch = launch.env(name, value);
        }
        let (mut database, mut rabbitmq, mut disk, mut pooler) = (None, None, None, None);
        if let Some(urls) = backend.urls().await {
            let made = Database::create(&urls.postgres, setup.name).await;
            launch = launch
                .env("DATABASE_URL", made.url())
                .env("AMQP_URL", urls.amqp.as_str());
            if setup.pooler {
                let below = crate::servers::folder();
                let started = pgbouncer::start(below.path(), made.options()).await;
                launch = launch
                    .env("DATABASE_URL", made.url_through(&started.address()))
                    .env("DATABASE_POOLER", "transaction");
                pooler = Some((started, below));
            }
            rabbitmq = Some(RabbitMq::new(&urls, &prefix));
            database = Some(made);
        } else {
            let data = folder.path().join("data");
            disk = setup.disk.map(|size| Disk::mount(&data, size));
            let file = data.join("task-center.db");
            launch = launch.env("DATABASE_URL", format!("sqlite://{}", file.display()));
        }
        let mut cluster = Self {
            apis: Vec::new(),
            workers: Vec::new(),
            channels: Vec::new(),
            disk,
            pooler,
            folder,
            backend,
            proxies: setup.proxies,
            rabbitmq,
            database,
            prefix,
            launch,
            answers: Answers::default(),
            form: setup.form,
            granted: Mutex::default(),
        };
        cluster.operator().json(&["migrate"]).await;
        if let Some(form) = setup.form {
            let lyrics = form.has_lyrics.then_some(("lyrics", LYRICS));
            for (action, price) in [("music", SONG)].into_iter().chain(lyrics) {
                let operator = cluster.operator();
                operator.set_price(form.platform, action, price).await;
            }
        }
        let starting = setup.upstreams.iter();
        let starting =
            starting.map(|(name, with)| Upstream::start(name, cluster.folder.path(), with));
        for upstream in join_all(starting).await {
            cluster.add_channel(upstream, setup.channel).await;
        }
        for number in 1..=setup.apis {
            let api = cluster.node(setup, program, "API_BIND", format!("api-{number}"));
            cluster.apis.push(api.await);
        }
        if !cluster.is_one_process() {
            for number in 1..=setup.workers {
                let name = format!("worker-{number}");
                let worker = cluster.node(setup, Program::Worker, "WORKER_BIND", name);
                cluster.workers.push(worker.await);
            }
        }
        cluster
    }

    /// Starts one more upstream with these arguments of a simulator, and makes it a channel with these arguments
    /// of `channel create`. Workers that run learn of the channel within a second.
    pub async fn add_upstream(&mut self, name: &str, simulator: &[&str], channel: &[&str]) {
        let upstream = Upstream::start(name, self.folder.path(), simulator).await;
        self.add_channel(upstream, channel).await;
    }

    async fn add_channel(&mut self, upstream: Upstream, arguments: &[&str]) {
        let proxy = if self.proxies {
            Some(Proxy::to(upstream.url.replace("http://", "")).await)
        } else {
            None
        };
        let through = proxy
            .as_ref()
            .map(|proxy| format!("http://{}", proxy.address()));
        let url = through.as_ref().unwrap_or(&upstream.url);
        let (name, key) = (&upstream.name, &upstream.key);
        let operator = self.operator();
        let made = operator.create_channel(name, url, key, arguments).await;
        let id = made["id"].as_i64().expect("an id is a number");
        self.channels.push(Channel {
            upstream,
            id,
            proxy,
        });
    }

    async fn node(&self, setup: &Setup, program: Program, bind: &str, name: String) -> Node {
        let address = format!("127.0.0.1:{}", free_port());
        let mut launch = self.launch.clone().env(bind, &address);
        if let Some((_, offset)) = setup.clocks.iter().find(|(node, _)| *node == name) {
            launch = with_clock(launch, offset).await;
        }
        launch.program = program;
        if setup.hooks {
            let first = self.apis.first().map(|api| api.url.clone());
            let first = first.unwrap_or_else(|| format!("http://{address}"));
            launch = launch.env("PUBLIC_URL", first);
        }
        let mut proxies = None;
        if self.proxies
            && let (Some(database), Some(urls)) = (&self.database, self.backend.urls().await)
        {
            let through = Proxies::to(&urls).await;
            launch = launch
                .env(
                    "DATABASE_URL",
                    database.url_through(&through.postgres.address()),
                )
                .env("AMQP_URL", through.amqp_url(&urls));
            proxies = Some(through);
        }
        Node::new(&name, launch, format!("http://{address}"), proxies)
    }

    /// Starts a process beside the nodes, and waits until it serves; returns its URL, too.
    pub async fn process(&self, program: Program, name: &str) -> (Process, String) {
        let mut launch = self.launch.clone();
        launch.program = program;
        let mut process = launch
            .env("API_BIND", "127.0.0.1:0")
            .env("WORKER_BIND", "127.0.0.1:0")
            .start(name);
        let url = process.url().await;
        (process, url)
    }

    /// The `SQLite` file.
    pub fn sqlite_file(&self) -> PathBuf {
        self.folder.path().join("data/task-center.db")
    }

    /// The file system of the `SQLite` file. Panics if the setup has none.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("the setup has a disk")
    }

    /// APIs and workers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.apis.iter().chain(&self.workers)
    }

    /// Whether everything runs in one process, on `SQLite` and without a broker.
    pub fn is_one_process(&self) -> bool {
        matches!(self.backend, Backend::OneProcess)
    }

    /// Its private servers. Panics if it has none.
    pub fn servers(&self) -> &Arc<Servers> {
        match &self.backend {
            Backend::Private(servers) => servers,
            _ => panic!("the servers are not ours to break"),
        }
    }

    /// Its part of the broker. Panics in one process.
    pub fn rabbitmq(&self) -> &RabbitMq {
        self.rabbitmq.as_ref().expect("there is a broker")
    }

    /// Its database. Panics in one process.
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("there is a server")
    }

    /// The first part of its queues' names.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The command line on its database, past every proxy.
    pub fn operator(&self) -> Operator {
        Operator(self.launch.clone())
    }

    /// The first upstream.
    pub fn upstream(&self) -> &Upstream {
        &self.channels[0].upstream
    }

    /// A connection to its database, past every proxy, once the server answers and nobody breaks it.
    pub async fn connect(&self) -> PgConnection {
        self.database_in_peace().await.connect().await
    }

    /// Executes statements past the programs.
    pub async fn execute(&self, sql: &str) {
        self.database_in_peace().await.execute(sql).await;
    }

    async fn database_in_peace(&self) -> &Database {
        if let Backend::Private(servers) = &self.backend {
            drop(servers.postgres.lock().await);
        }
        self.database()
    }

    /// Starts the nodes that do not run, and waits until all of them serve.
    pub async fn serve(&self) {
        join_all(self.nodes().map(Node::serve)).await;
    }

    /// Starts private servers that are down, makes every proxy forward, and starts the nodes that
    /// do not run. A process that is frozen must be thawed before.
    pub async fn mend(&self) {
        if let Backend::Private(servers) = &self.backend {
            servers.mend().await;
        }
        for channel in &self.channels {
            if let Some(proxy) = &channel.proxy {
                proxy.mend();
            }
        }
        self.nodes().for_each(Node::mend);
        self.serve().await;
    }

    /// Stops all nodes in order; each must exit with 0.
    pub async fn stop(&self) {
        join_all(self.nodes().map(|node| node.stop(STOP))).await;
    }

    /// Kills all nodes at once.
    pub async fn kill(&self) {
        join_all(self.nodes().map(Node::kill)).await;
    }

    /// The log lines that tell of a panic, with the name of their process.
    pub fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for node in self.nodes() {
            let log = node.log();
            let lines = log.lines().filter(|line| line.contains("panicked at"));
            found.extend(lines.map(|line| format!("{}: {line}", node.name)));
        }
        found
    }

    /// The ends of all logs, for whoever looks for a cause.
    pub fn logs(&self) -> String {
        self.folder.logs()
    }

    /// Takes everything down, whatever state it is in. `KEEP_LOGS` keeps the folder.
    pub async fn take_down(self) {
        self.kill().await;
        if let Backend::Private(servers) = &self.backend {
            servers.mend().await;
        }
        if let Some(rabbitmq) = &self.rabbitmq {
            rabbitmq.delete_all().await;
        }
        if let Some(database) = self.database {
            database.remove().await;
        }
        if let Some((mut pooler, _folder)) = self.pooler {
            pooler.kill().await;
        }
        drop(self.disk);
        self.folder.keep_if_wanted();
    }
}

/// A launch on a machine whose clock is wrong by `offset`. What measures how long something takes stays right.
async fn with_clock(launch: Launch, offset: &str) -> Launch {
    let library = || {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        let mut files = folders.map(|one| one.path().join("faketime/libfaketime.so.1"));
        files.find(|file| file.is_file())
    };
    let library = find(library, "libfaketime").await;
    launch
        .env("LD_PRELOAD", library.display().to_string())
        .env("FAKETIME", offset)
        .env("DONT_FAKE_MONOTONIC", "1")
}
