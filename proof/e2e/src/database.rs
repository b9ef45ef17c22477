//! A database for one scenario, on the server that the environment names.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::folder::unique;

/// A database of `PostgreSQL`, empty at first.
#[derive(Debug)]
pub struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    /// Makes one.
    pub async fn create(server: &PgConnectOptions) -> Self {
        let name = format!("tc_e2e_{}", unique());
        execute(server, format!("CREATE DATABASE {name}")).await;
        let server = server.clone();
        Self { server, name }
    }

    /// Its `DATABASE_URL`.
    pub fn url(&self) -> String {
        let options = self.server.clone().database(&self.name);
        options.to_url_lossy().into()
    }

    /// Executes statements behind everybody's back.
    pub async fn execute(&self, sql: &str) {
        let options = self.server.clone().database(&self.name);
        execute(&options, sql.to_owned()).await;
    }

    /// Ends every connection to it, and removes it.
    pub async fn drop(self) {
        let name = self.name;
        execute(&self.server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

async fn execute(server: &PgConnectOptions, sql: String) {
    let mut connection = server
        .connect()
        .await
        .unwrap_or_else(|error| panic!("the server of DATABASE_URL does not answer: {error}"));
    let done = sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await;
    done.expect("the server does as it is told");
    connection.close().await.expect("it closes");
}
