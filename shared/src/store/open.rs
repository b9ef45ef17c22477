//! Opening, migrating, pinging and closing a Store.

use super::either::either;
use super::gate::Gate;
use super::options::{Plans, StoreOptions};
use super::postgres::PostgresStore;
use super::sql::sql;
use super::sqlite::SqliteStore;
use super::{Database, Result, Store, StoreError, submissions};
use crate::clock::{Clock as _, Millis, SystemClock};
use crate::config::{DatabaseUrl, Pooler};

impl Store {
    /// The Store at `url`, with no connection yet. Until [`Store::migrate`] has succeeded, each other method fails in
    /// a passing way. `Err`: the URL is not valid.
    pub fn at(url: &DatabaseUrl, options: StoreOptions) -> Result<Self> {
        Self::new(url, options, Gate::new(false))
    }

    /// Opens the Store at `url`, with nothing between, and makes the first connection. Creates the `SQLite` file and
    /// its folder if there is none. The tables may be out of date until [`Store::migrate`].
    pub async fn open(url: &DatabaseUrl, connections: u32, plans: Plans) -> Result<Self> {
        let options = StoreOptions {
            connections,
            plans,
            pooler: Pooler::None,
        };
        let store = Self::new(url, options, Gate::new(true))?;
        either!(&store.database, database => database.reach().await?);
        Ok(store)
    }

    fn new(url: &DatabaseUrl, options: StoreOptions, gate: Gate) -> Result<Self> {
        let database = match url {
            DatabaseUrl::Postgres(url) => {
                Database::Postgres(PostgresStore::new(url, options, gate)?)
            }
            DatabaseUrl::Sqlite(path) => {
                Database::Sqlite(SqliteStore::new(path, options.connections, gate))
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

    /// Notes why the tables cannot be brought up to date yet: each other method fails in this way meanwhile.
    pub fn blame(&self, why: &StoreError) {
        either!(&self.database, store => store.gate().blame(why));
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.database.all(sql("SELECT 1 AS one")).await?;
        Ok(())
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
        either!(&self.database, store => store.has_tables().await)
    }

    /// The database's time, also before its tables are up to date. An `SQLite` file has no clock of its own: it is the
    /// machine's.
    pub async fn time(&self) -> Result<Millis> {
        match &self.database {
            Database::Sqlite(_) => Ok(SystemClock.now()),
            Database::Postgres(store) => {
                let store = store.clone();
                self.database
                    .detach(async move { store.time().await })
                    .await
            }
        }
    }

    /// Waits for work under way and closes every connection.
    pub async fn close(&self) {
        either!(&self.database, store => store.close().await);
    }
}
