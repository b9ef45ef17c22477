//! Servers, API, workers and upstreams, without anything between them.

use std::sync::Arc;

use harness::client::Client;
use harness::database::Database;
use harness::folder::{Folder, unique};
use harness::operator::Operator;
use harness::process::{Launch, Process};
use harness::programs::Program;
use harness::rabbitmq::RabbitMq;
use harness::servers::Servers;
use harness::upstream::Upstream;
use serde_json::Value;
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

/// What a server with some memory is set to, and what shows where its time goes.
const POSTGRES: &[&str] = &[
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "shared_preload_libraries=pg_stat_statements",
];

/// A task center on a PostgreSQL and a RabbitMQ of its own. Nothing of it runs but the servers until
/// it is started.
#[derive(Debug)]
pub struct Site {
    /// The servers.
    pub servers: Arc<Servers>,
    /// Where the database is.
    pub database: PgConnectOptions,
    /// The database's address, as our programs take it.
    pub database_url: String,
    /// The broker's address, as our programs take it.
    pub amqp_url: String,
    /// The first part of the queues' names.
    pub prefix: String,
    /// Its part of the broker, as its management API shows it.
    pub rabbitmq: RabbitMq,
    /// The command line.
    pub operator: Operator,
    /// Where its processes keep their logs.
    pub folder: Folder,
    base: Launch,
}

impl Site {
    /// Both servers, an empty database with our tables in it. `env` is for API and workers.
    pub async fn prepare(env: &[(&str, &str)]) -> Self {
        Self::on(Self::servers().await, env).await
    }

    /// Both servers alone.
    pub async fn servers() -> Arc<Servers> {
        Arc::new(Servers::with(POSTGRES).await)
    }

    /// An empty database with our tables in it, and a part of the broker, on servers that may have others, too.
    pub async fn on(servers: Arc<Servers>, env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let name = format!("bench_{}", unique());
        let (postgres, broker) = (servers.postgres.lock().await, servers.rabbitmq.lock().await);
        let made = Database::create(&postgres.options("postgres"), "bench").await;
        made.execute("CREATE EXTENSION pg_stat_statements").await;
        let database = made.options();
        let database_url = format!("postgres://postgres@{}/{}", postgres.address(), made.name());
        let amqp_url = broker.url(&broker.address());
        let named = harness::servers::ServerUrls {
            postgres: database.clone(),
            amqp: amqp_url.parse().expect("a URL"),
            management: broker.management(),
        };
        drop((postgres, broker));
        let mut base = Launch::new(Program::Api, folder.path())
            .env("DATABASE_URL", &database_url)
            .env("AMQP_URL", &amqp_url)
            .env("QUEUE_PREFIX", &name)
            .env("RUST_LOG", "warn");
        for (name, value) in env {
            base = base.env(name, *value);
        }
        let operator = Operator(base.clone());
        operator.run(&["migrate"]).await;
        Self {
            rabbitmq: RabbitMq::new(&named, &name),
            servers,
            database,
            database_url,
            amqp_url,
            prefix: name,
            operator,
            folder,
            base,
        }
    }

    /// Starts an API, and waits until it serves; returns where.
    pub async fn api(&self, name: &str) -> (Process, String) {
        self.start(Program::Api, "API_BIND", name).await
    }

    /// Starts a worker, and waits until it consumes; returns where it shows its figures.
    pub async fn worker(&self, name: &str) -> (Process, String) {
        self.start(Program::Worker, "WORKER_BIND", name).await
    }

    async fn start(&self, program: Program, bind: &str, name: &str) -> (Process, String) {
        let launch = Launch {
            program,
            ..self.base.clone()
        };
        let mut process = launch.env(bind, "127.0.0.1:0").start(name);
        let url = process.url().await;
        (process, url)
    }

    /// Starts an upstream, and makes it a channel; returns its id too.
    pub async fn channel(&self, name: &str, with: &[&str]) -> (Upstream, i64) {
        let upstream = Upstream::start(name, self.folder.path(), with).await;
        let (url, key) = (&upstream.url, &upstream.key);
        let made = self.operator.create_channel(name, url, key, &[]).await;
        let id = made["id"].as_i64().expect("an id is a number");
        (upstream, id)
    }

    /// A new user with this quota and one key, who speaks to the API at `url`.
    pub async fn user(&self, name: &str, role: &str, quota: i64, url: &str) -> Client {
        let granted = quota.to_string();
        let create = [
            "user", "create", "--name", name, "--role", role, "--quota", &granted,
        ];
        let user = self.operator.json(&create).await;
        let key = ["key", "create", "--user", name, "--label", "bench"];
        let key = self.operator.json(&key).await;
        let text = |value: &Value| value.as_str().expect("a secret is a text").to_owned();
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

    /// A connection to its database.
    pub async fn connect(&self) -> PgConnection {
        self.database.connect().await.expect("PostgreSQL answers")
    }

    /// Folds what changed into the counts of the listings, so that nobody has to do it meanwhile.
    pub async fn fold(&self) {
        let url = DatabaseUrl::Postgres(self.database_url.clone());
        let store = Store::open(&url, 1, Plans::Kept).await;
        let store = store.expect("PostgreSQL answers");
        while store.fold(100_000).await.expect("it folds") > 0 {}
        store.close().await;
    }

    /// Executes statements.
    pub async fn execute(&self, sql: &str) {
        execute(&self.database, sql).await;
    }

    /// Takes the servers down, and all that stands on them.
    pub async fn take_down(self) {
        self.servers.take_down().await;
    }
}

async fn execute(database: &PgConnectOptions, sql: &str) {
    let mut connection = database.connect().await.expect("PostgreSQL answers");
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
