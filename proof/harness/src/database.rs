//! A database for one test, on a `PostgreSQL` server that runs.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::folder::unique;
use crate::wait::in_time;

/// How long [`Database::connect`] waits for a server that does not answer, or that recovers.
const ANSWER: Duration = Duration::from_mins(2);

/// A database, empty at first. It stays until [`Database::remove`].
#[derive(Debug, Clone)]
pub struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    /// Creates a database whose name begins with `prefix`. Panics if the server does not answer.
    pub async fn create(server: &PgConnectOptions, prefix: &str) -> Self {
        Self::named(server, format!("{prefix}_{}", unique())).await
    }

    /// Creates a database with this name, which must be new. Panics if the server does not answer.
    pub async fn named(server: &PgConnectOptions, name: String) -> Self {
        execute(server, &format!("CREATE DATABASE {name}")).await;
        let server = server.clone();
        Self { server, name }
    }

    /// How to connect to it.
    pub fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// Its `DATABASE_URL`.
    pub fn url(&self) -> String {
        url(&self.options())
    }

    /// Its `DATABASE_URL` by way of `host:port`, a proxy.
    pub fn url_through(&self, address: &str) -> String {
        let (host, port) = address.rsplit_once(':').expect("an address has a port");
        let port = port.parse().expect("a port is a number");
        url(&self.options().host(host).port(port))
    }

    /// Connects, as soon as the server answers. Panics after two minutes.
    pub async fn connect(&self) -> PgConnection {
        let options = self.options();
        let mut last = None;
        let connected = in_time(ANSWER, async || {
            let connecting = tokio::time::timeout(Duration::from_secs(5), options.connect());
            match connecting.await {
                Ok(Ok(connection)) => Some(connection),
                failed => {
                    last = Some(failed);
                    None
                }
            }
        })
        .await;
        connected.unwrap_or_else(|| panic!("PostgreSQL does not answer: {last:?}"))
    }

    /// Executes statements.
    pub async fn execute(&self, sql: &str) {
        execute(&self.options(), sql).await;
    }

    /// Ends every connection to the database, and removes it.
    pub async fn remove(self) {
        let name = self.name;
        execute(&self.server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

/// A URL that programs of `PostgreSQL` take, too: without what only sqlx knows.
fn url(options: &PgConnectOptions) -> String {
    let mut url = options.to_url_lossy();
    let query = url.query().unwrap_or_default();
    let known = query.split('&');
    let known = known.filter(|pair| !pair.starts_with("statement-cache-capacity="));
    let known = known.collect::<Vec<_>>().join("&");
    url.set_query(Some(&known));
    url.into()
}

async fn execute(options: &PgConnectOptions, sql: &str) {
    let mut connection = options
        .connect()
        .await
        .unwrap_or_else(|error| panic!("PostgreSQL does not answer: {error}"));
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    // A fault may have cut the connection meanwhile.
    let _ = connection.close().await;
}
