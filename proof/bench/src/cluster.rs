//! Servers, APIs, workers and upstreams, connected without proxies.

use std::sync::Arc;
use std::time::Duration;

use harness::client::Client;
use harness::database::Database;
use harness::folder::Folder;
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use harness::rabbitmq::RabbitMq;
use harness::servers::{ServerUrls, Servers};
use harness::upstream::Upstream;
use harness::wait::eventually;

use crate::figure::Build;

/// Settings for a server with some memory; `pg_stat_statements` shows which statements ran.
const POSTGRES: &[&str] = &[
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "shared_preload_libraries=pg_stat_statements",
];

/// More quota than any run spends.
const QUOTA: &str = "1000000000000000";

/// A task center with a database and queues of its own. Only the servers run until a program is started.
#[derive(Debug)]
pub struct Cluster {
    /// The servers.
    pub servers: Arc<Servers>,
    /// The database. Its name is the first part of the queues' names too.
    pub database: Database,
    /// The database's URL, as our programs take it.
    pub database_url: String,
    /// The broker's URL, as our programs take it.
    pub amqp_url: String,
    /// The queues, seen through the management API.
    pub rabbitmq: RabbitMq,
    /// The command line.
    pub operator: Operator,
    /// Where the processes keep their logs.
    pub folder: Folder,
    api: Launch,
}

/// An upstream with its channel.
#[derive(Debug)]
pub struct Channel {
    /// The upstream.
    pub upstream: Upstream,
    /// The channel's id.
    pub id: i64,
}

/// Starts both servers.
pub async fn servers() -> Arc<Servers> {
    Arc::new(Servers::with(POSTGRES).await)
}

impl Cluster {
    /// Creates a database with our tables on servers that may hold others too. `env` is for APIs and workers.
    pub async fn on(servers: &Arc<Servers>, build: &Build, env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let (postgres, broker) = (servers.postgres.lock().await, servers.rabbitmq.lock().await);
        let database = Database::create(&postgres.options("postgres"), "bench").await;
        database
            .execute("CREATE EXTENSION pg_stat_statements")
            .await;
        let database_url = postgres.url(database.name());
        let amqp_url = broker.url(&broker.address());
        let urls = ServerUrls {
            postgres: database.options(),
            amqp: amqp_url.parse().expect("a URL"),
            management: broker.management(),
        };
        drop((postgres, broker));
        let mut api = Launch::new(Program::Api, folder.path())
            .env("DATABASE_URL", &database_url)
            .env("AMQP_URL", &amqp_url)
            .env("QUEUE_PREFIX", database.name())
            .env("RUST_LOG", "warn");
        api.programs.clone_from(&build.0);
        for (name, value) in env {
            api = api.env(name, *value);
        }
        let operator = Operator(api.clone());
        let migrated = operator.run(&["migrate"]).await;
        assert_eq!(migrated.code, 0, "{}", migrated.stderr);
        Self {
            rabbitmq: RabbitMq::new(&urls, database.name()),
            servers: servers.clone(),
            database,
            database_url,
            amqp_url,
            operator,
            folder,
            api,
        }
    }

    /// Starts an API and waits until it serves; returns its URL too.
    pub async fn api(&self, name: &str) -> (Process, String) {
        let mut process = self.api.clone().env("API_BIND", "127.0.0.1:0").start(name);
        let url = process.url().await;
        (process, url)
    }

    /// Starts a worker and waits until it consumes its queues.
    pub async fn worker(&self, name: &str) -> Process {
        let launch = Launch {
            program: Program::Worker,
            ..self.api.clone()
        };
        let mut process = launch.env("WORKER_BIND", "127.0.0.1:0").start(name);
        process.url().await;
        process
    }

    /// Starts an upstream of this build with these `arguments`, and creates its channel.
    pub async fn channel(&self, name: &str, arguments: &[&str]) -> Channel {
        let upstream = Upstream::start(name, self.folder.path(), arguments).await;
        let (url, key) = (&upstream.url, &upstream.key);
        let created = self.operator.create_channel(name, url, key, &[]).await;
        Channel {
            id: created["id"].as_i64().expect("an id is a number"),
            upstream,
        }
    }

    /// Creates a user with plenty of quota and one key, whose client calls the API at `url`.
    pub async fn user(&self, name: &str, role: &str, url: &str) -> Client {
        let create = [
            "user", "create", "--name", name, "--role", role, "--quota", QUOTA,
        ];
        let user = self.operator.json(&create).await;
        let key = ["key", "create", "--user", name, "--label", "bench"];
        let key = self.operator.json(&key).await;
        let text = |value: &serde_json::Value| value.as_str().expect("a secret is text").to_owned();
        Client {
            name: name.to_owned(),
            id: user["id"].as_i64().expect("an id is a number"),
            token: text(&user["access_token"]),
            key: text(&key["key"]),
            base: Arc::new(std::sync::Mutex::new(url.to_owned())),
            heard: Arc::default(),
            http: harness::client::http(),
        }
    }

    /// Checks that the ledger and all balances agree.
    pub async fn audit(&self) {
        let audit = self.operator.run(&["audit"]).await;
        assert_eq!(audit.code, 0, "{}{}", audit.stdout, audit.stderr);
    }

    /// Waits until the running programs have folded every noted change into the counts of the listings, so that
    /// they don't do it during a measurement.
    pub async fn wait_for_fold(&self) {
        let mut connection = self.database.connect().await;
        eventually(
            Duration::from_mins(5),
            "a fold of all changes",
            async || {
                let noted = sqlx::query_scalar("SELECT EXISTS (SELECT FROM task_changes)");
                let noted: bool = noted
                    .fetch_one(&mut connection)
                    .await
                    .expect("PostgreSQL answers");
                (!noted).then_some(())
            },
        )
        .await;
    }
}
