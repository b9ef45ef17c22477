//! Opening, migrating, pinging and closing a Store.

use super::either::either;
use super::options::Plans;
use super::postgres::PostgresStore;
use super::row::Cells as _;
use super::sql::sql;
use super::sqlite::SqliteStore;
use super::{Database, Result, Store, submissions};
use crate::clock::{Clock as _, Millis, SystemClock};
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

    /// Whether the database can be written now.
    pub async fn check_write(&self, now: Millis) -> Result<()> {
        let write = sql("INSERT INTO write_check (id, at) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET at = excluded.at");
        self.database.execute(write.bind(now.0)).await?;
        Ok(())
    }

    /// Whether the database has tables of ours, of any version.
    pub async fn has_tables(&self) -> Result<bool> {
        let select = match self.database {
            Database::Postgres(_) => {
                "SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS has_tables"
            }
            Database::Sqlite(_) => {
                "SELECT count(*) > 0 AS has_tables FROM sqlite_schema WHERE name = '_sqlx_migrations'"
            }
        };
        self.database.one(sql(select)).await?.flag("has_tables")
    }

    /// The database's time. An `SQLite` file has no clock of its own: it is the machine's.
    pub async fn time(&self) -> Result<Millis> {
        if let Database::Sqlite(_) = &self.database {
            return Ok(SystemClock.now());
        }
        let select = sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT AS now");
        Ok(Millis(self.database.one(select).await?.int("now")?))
    }

    /// Waits for work under way and closes every connection.
    pub async fn close(&self) {
        either!(&self.database, store => store.close().await);
    }
}
