//! `PostgreSQL`: its connections, and the hot path.
//!
//! | file | what it does |
//! |---|---|
//! | `submissions` | the chapter of that name |
//! | `submit`, `polls`, `settle`, `sweep` | the chapter `turns` |
//! | `counts` | the fold of `listing` |
//! | `key_holders` | who holds an API key |
//! | `column` | a batch as array parameters |
//!
//! Two facts shape most statements here. At READ COMMITTED an `UPDATE … WHERE turn = $n` that waited for
//! another transaction checks its condition again on the row as that transaction left it, so a turn is
//! claimed once. And all transactions take locks in one order, so that no two wait for each other:
//! `unfinished_tasks`, `tasks`, `users`, `api_keys`, `channels`, each by ascending id.

mod column;
mod counts;
mod key_holders;
mod polls;
mod settle;
mod submissions;
mod submit;
mod sweep;
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool};
use tokio::time::timeout;

use super::detach::detach;
use super::options::{ACQUIRE_TIMEOUT, Plans};
use super::session::PgSession;
use super::{Result, migrations};
use crate::random::Random;
use watchdog::Watchdog;

/// Ping a pooled connection before use if it was idle longer than this.
const IDLE: Duration = Duration::from_millis(500);

/// How long a connection may take to answer a ping.
const LONGEST_PING: Duration = Duration::from_secs(2);

/// The connections to a `PostgreSQL` database. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct PostgresStore {
    pool: PgPool,
    key_holders: key_holders::KeyHolders,
    /// Options without time limits, for migrations: one may take long, or wait long for another program's.
    patient: Arc<PgConnectOptions>,
    watchdog: Watchdog,
    /// How many changes this program folded since it last vacuumed their table.
    folded: Arc<AtomicU64>,
}

impl PostgresStore {
    /// Opens a pool of at most `connections` at `url`; the first connection is made at once.
    pub async fn connect(url: &str, connections: u32, plans: Plans) -> Result<Self> {
        let patient: PgConnectOptions = url.parse()?;
        let patient = patient.application_name(&application_name());
        let watchdog = Watchdog::new(patient.clone());
        let plan_cache_mode = match plans {
            Plans::Kept => "auto",
            Plans::Fresh => "force_custom_plan",
        };
        let options = patient
            .clone()
            // A statement, a wait for a lock and an idle transaction must each end.
            .options([
                ("statement_timeout", "20s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "20s"),
            ])
            .options([
                ("plan_cache_mode", plan_cache_mode),
                // Most pages that are read are in memory, where a random read costs as much as a sequential.
                ("random_page_cost", "1.1"),
            ]);
        let watching = watchdog.clone();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A ping before each use would cost half as much as a statement, so only idle connections are
            // pinged.
            .test_before_acquire(false)
            .before_acquire(move |connection, about| {
                let watchdog = watching.clone();
                Box::pin(async move {
                    if !watchdog.trusts(about.age) {
                        return Ok(false);
                    }
                    if about.idle_for > IDLE {
                        let Ok(pinged) = timeout(LONGEST_PING, connection.ping()).await else {
                            tracing::warn!(
                                "a database connection is mute; all that there are are replaced"
                            );
                            watchdog.distrust();
                            return Ok(false);
                        };
                        pinged?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self {
            key_holders: key_holders::batcher(pool.clone()),
            pool,
            watchdog,
            patient: Arc::new(patient),
            folded: Arc::default(),
        })
    }

    /// Runs `work` for a bounded time: see [`Watchdog::bound`].
    pub(super) async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.watchdog.bound(work).await
    }

    /// A session outside of any transaction.
    pub(super) async fn session(&self) -> Result<PgSession> {
        match PgSession::open(&self.pool).await {
            Err(sqlx::Error::PoolTimedOut) => {
                Err(Box::pin(self.watchdog.why_no_connection()).await)
            }
            session => Ok(session?),
        }
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<PgSession> {
        self.begin_as("BEGIN").await
    }

    /// Begins a transaction by the statements `begin`.
    pub(super) async fn begin_as(&self, begin: impl Into<String>) -> Result<PgSession> {
        Ok(self.session().await?.begin(begin).await?)
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn migrate(&self) -> Result<()> {
        let patient = (*self.patient).clone();
        detach(async move {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .connect_with(patient)
                .await?;
            // The migrator holds an advisory lock: many programs may start at once.
            let migrated = migrations::postgres().run(&pool).await;
            pool.close().await;
            Ok(migrated?)
        })
        .await
    }

    pub(super) async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A name that no other process has: by it the watchdog finds this process's connections.
fn application_name() -> String {
    let random = Random::from_system().number().unsigned_abs();
    format!("task-center/{}/{random:x}", std::process::id())
}
