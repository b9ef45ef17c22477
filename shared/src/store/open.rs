//! Opening, migrating, pinging and closing a Store.

use super::options::Plans;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Database, Result, Store, submissions};
use crate::config::DatabaseUrl;

/// Adds the default price of a task that has no price yet; an operator's price stays.
pub(super) const ADD_PRICE: &str = "\
    INSERT INTO prices (platform, action, quota) VALUES ($1, $2, $3)
    ON CONFLICT (platform, action) DO NOTHING";

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

    /// Brings the tables up to date. Safe while other programs do the same: one does it, the rest wait.
    pub async fn migrate(&self) -> Result<()> {
        match &self.database {
            Database::Postgres(store) => store.migrate().await,
            Database::Sqlite(store) => store.migrate().await,
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        match &self.database {
            Database::Postgres(store) => store.ping().await,
            Database::Sqlite(store) => store.ping().await,
        }
    }

    /// Waits for work under way and closes every connection.
    pub async fn close(&self) {
        match &self.database {
            Database::Postgres(store) => store.close().await,
            Database::Sqlite(store) => store.close().await,
        }
    }
}
