//! Opening, migrating, pinging and closing a Store.

use super::either::either;
use super::options::Plans;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Database, Result, Store, submissions};
use crate::config::DatabaseUrl;

impl Store {
    /// Opens the Store at `url` with at most `connections` connections. Creates the `SQLite` file and its
    /// folder if there is none. The tables may be out of date until [`Store::migrate`].
    pub async fn open(url: &DatabaseUrl, connections: u32, plans: Plans) -> Result<Self> {
        let database = match url {
            DatabaseUrl::Postgres(url) => {
                Database::Postgres(PostgresStore::connect(url, connections, plans).await?)
            }
            DatabaseUrl::Sqlite(path) => {
                Database::Sqlite(SqliteStore::connect(path, connections).await?)
            }
        };
        let submits = submissions::batcher(database.clone());
        Ok(Self { database, submits })
    }

    /// Brings the tables up to date, and adds the default prices that are missing. Safe while other programs
    /// do the same: one does it, the rest wait.
    pub async fn migrate(&self) -> Result<()> {
        either!(&self.database, store => store.migrate().await?);
        self.add_default_prices().await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        either!(&self.database, store => store.ping().await)
    }

    /// Waits for work under way and closes every connection.
    pub async fn close(&self) {
        either!(&self.database, store => store.close().await);
    }
}
