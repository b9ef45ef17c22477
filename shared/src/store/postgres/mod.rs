//! `PostgreSQL`: its connections, and the hot path.
//!
//! | file | what it does |
//! |---|---|
//! | `submissions` | the chapter of that name |
//! | `submit`, `polls`, `settle`, `sweep` | the chapter `turns` |
//! | `counts` | the fold of `listing` |
//! | `key_holders` | who holds an API key |
//! | `column` | a batch as array parameters |
//! | `connections` | the pool |
//! | `watchdog` | notices connections that carry nothing any more |
//!
//! Two facts shape most statements here. At READ COMMITTED an `UPDATE … WHERE turn = $n` that waited for
//! another transaction checks its condition again on the row as that transaction left it, so a turn is
//! claimed once. And all transactions take locks in one order, so that no two wait for each other:
//! `unfinished_tasks`, `tasks`, `users`, then what triggers and claims write (`running_tasks`, `channel_flow`,
//! `lines`), `api_keys`, `channels`, each by ascending id. Submits lock `api_keys` before `lines`: they hold the
//! user by then, and so does whoever gives back what a key used.

mod column;
mod connections;
mod counts;
mod key_holders;
mod polls;
mod settle;
mod submissions;
pub(super) mod submit;
mod sweep;
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::{PgPool, Row as _};

use super::Result;
use super::gate::Gate;
use super::options::StoreOptions;
use super::session::PgSession;
use crate::clock::Millis;
use connections::Connections;

/// A `PostgreSQL` database. Clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct PostgresStore {
    connections: Connections,
    key_holders: key_holders::KeyHolders,
    /// How many changes this program folded since it last vacuumed their table.
    folded: Arc<AtomicU64>,
}

impl PostgresStore {
    /// A store at `url`, with no connection yet. Nobody uses the tables before [`PostgresStore::migrate`], unless the
    /// gate is open.
    pub fn new(url: &str, options: StoreOptions, gate: Gate) -> Result<Self> {
        let connections = Connections::new(url, options, gate)?;
        Ok(Self {
            key_holders: key_holders::batcher(connections.clone()),
            connections,
            folded: Arc::default(),
        })
    }

    /// Makes the first connection.
    pub async fn reach(&self) -> Result<()> {
        Ok(self.connections.outside().await?.commit().await?)
    }

    /// The server's time.
    pub(super) async fn time(&self) -> Result<Millis> {
        let mut session = self.connections.outside().await?;
        let now =
            sqlx::raw_sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT AS now");
        let now = now.fetch_one(&mut session).await?.try_get("now")?;
        session.commit().await?;
        Ok(Millis(now))
    }

    /// Runs `work` for a bounded time: see [`Watchdog::bound`].
    pub(super) async fn bound<T>(
        &self,
        longest: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        self.connections.watchdog.bound(longest, work).await
    }

    /// A session outside of any transaction.
    pub(super) async fn session(&self) -> Result<PgSession> {
        self.connections.session().await
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<PgSession> {
        self.begin_as("BEGIN").await
    }

    /// Begins a transaction by the statements `begin`.
    pub(super) async fn begin_as(&self, begin: impl AsRef<str>) -> Result<PgSession> {
        self.connections.begin(begin.as_ref()).await
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.connections.pool
    }

    /// Brings the tables up to date, and opens the gate. While another program does it, this one waits.
    pub(super) async fn migrate(&self) -> Result<()> {
        self.connections.migrate().await?;
        self.connections.gate.open();
        Ok(())
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.connections.gate
    }

    /// Whether there are tables of ours, of any version.
    pub(super) async fn has_tables(&self) -> Result<bool> {
        self.connections.has_tables().await
    }

    pub(super) async fn close(&self) {
        self.connections.pool.close().await;
    }
}
