//! From a database's address to a Store.

use std::sync::Arc;
use std::time::Duration;

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Result, SharedStore};
pub use crate::config::DatabaseUrl;

/// How long to wait for a free connection before saying that all are busy.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// When `PostgreSQL` plans a statement that a program executes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Once, for as long as it finds good. For those whose statements are many and small.
    Kept,
    /// Each time, by how large the tables are at that moment. For workers, whose statements are about a
    /// hundred tasks each, so that half a millisecond is little: a plan from when ten tasks were unfinished
    /// walks through all of them, also when they have become a hundred thousand.
    Fresh,
}

/// Opens the Store at `url` with at most `connections` connections. Makes the `SQLite` file and its
/// folder if there is none; does not bring the tables up to date (see [`super::Store::migrate`]).
pub async fn connect(url: &DatabaseUrl, connections: u32, plans: Plans) -> Result<SharedStore> {
    Ok(match url {
        DatabaseUrl::Postgres(url) => {
            Arc::new(PostgresStore::connect(url, connections, plans).await?)
        }
        DatabaseUrl::Sqlite(path) => Arc::new(SqliteStore::connect(path, connections).await?),
    })
}
