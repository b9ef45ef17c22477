//! The pool of connections, and the connection that migrates.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool, Row as _};
use tokio::time::timeout;

use super::watchdog::Watchdog;
use crate::config::Pooler;
use crate::random::Random;
use crate::store::detach::detach;
use crate::store::gate::Gate;
use crate::store::options::{ACQUIRE_TIMEOUT, LONGEST_MIGRATION, Plans, StoreOptions};
use crate::store::session::PgSession;
use crate::store::{Result, StoreError, migrations};

/// Ping a pooled connection before use if it was idle longer than this.
const IDLE: Duration = Duration::from_millis(500);
/// How long a connection may take to answer a ping.
const LONGEST_PING: Duration = Duration::from_secs(2);

/// What holds for each connection, or for each transaction behind a pooler. A statement, a wait for a lock and an
/// idle transaction must each end. Most pages that are read are in memory, where a random read costs as much as
/// a sequential.
const SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "20s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "20s"),
    ("random_page_cost", "1.1"),
];

/// The lock of those who migrate behind a pooler. The migrator's own belongs to a session.
const MIGRATING: i64 = 0x7461_736b_6d69_6772;

/// The connections to a database. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pub pool: PgPool,
    pub watchdog: Watchdog,
    pub gate: Gate,
    pooler: Pooler,
    /// Options without time limits, for migrations: one may take long, or wait long for another program's.
    patient: Arc<PgConnectOptions>,
}

impl Connections {
    /// Connections to `url`, none of which is made yet.
    pub fn new(url: &str, options: StoreOptions, gate: Gate) -> Result<Self> {
        let StoreOptions {
            connections,
            plans,
            pooler,
        } = options;
        let patient: PgConnectOptions = url.parse()?;
        let patient = patient.application_name(&application_name());
        let (patient, options) = match pooler {
            Pooler::None => {
                let plan_cache_mode = match plans {
                    Plans::Kept => "auto",
                    Plans::Fresh => "force_custom_plan",
                };
                let options = patient.clone().options(SETTINGS);
                let options = options.options([("plan_cache_mode", plan_cache_mode)]);
                (patient, options)
            }
            Pooler::Transaction => {
                // PgBouncer refuses a connection that asks for a setting which it does not know.
                let patient = patient.extra_float_digits(None).statement_cache_capacity(0);
                (patient.clone(), patient)
            }
        };
        let watchdog = Watchdog::new(patient.clone());
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
                            if watchdog.distrust() {
                                tracing::warn!(
                                    "a database connection is mute: all that there are are replaced"
                                );
                            }
                            return Ok(false);
                        };
                        pinged?;
                    }
                    // Only a connection that has served a unit of work comes back to the pool.
                    watchdog.works(about.age);
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            watchdog,
            gate,
            pooler,
            patient: Arc::new(patient),
        })
    }

    /// A session for one statement, or for some that need no transaction.
    pub async fn session(&self) -> Result<PgSession> {
        self.gate.pass()?;
        match self.pooler {
            Pooler::None => self.outside().await,
            Pooler::Transaction => self.begin("BEGIN").await,
        }
    }

    /// Begins a transaction by the statements `begin`, of which the first is `BEGIN`.
    pub async fn begin(&self, begin: &str) -> Result<PgSession> {
        self.gate.pass()?;
        let session = self.outside().await?;
        let begin = match self.pooler {
            Pooler::None => begin.to_owned(),
            Pooler::Transaction => {
                let (begin, rest) = begin.split_once(';').unwrap_or((begin, ""));
                let set = |(name, value)| format!("; SET LOCAL {name} = '{value}'");
                let settings: String = SETTINGS.into_iter().map(set).collect();
                format!("{begin}{settings};{rest}")
            }
        };
        Ok(session.begin(begin).await?)
    }

    /// A session outside of any transaction, also behind a pooler, and also before the tables are up to date.
    pub async fn outside(&self) -> Result<PgSession> {
        match PgSession::open(&self.pool, self.pooler).await {
            Err(sqlx::Error::PoolTimedOut) => {
                Err(Box::pin(self.watchdog.why_no_connection()).await)
            }
            session => Ok(session?),
        }
    }

    /// Brings the tables up to date.
    pub async fn migrate(&self) -> Result<()> {
        let (watchdog, patient) = (self.watchdog.clone(), Arc::clone(&self.patient));
        let pooler = self.pooler;
        let migrated = async move {
            let mut connection = connect(&patient).await?;
            let mut migrator = migrations::postgres();
            match pooler {
                // The migrator holds an advisory lock: many programs may start at once.
                Pooler::None => migrator.run_direct(None, &mut connection, false).await?,
                Pooler::Transaction => {
                    // All steps in one transaction, whose end leaves nothing behind.
                    migrator.set_locking(false);
                    let mut tx = connection.begin().await?;
                    let lock = format!("SELECT pg_advisory_xact_lock({MIGRATING})");
                    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx).await?;
                    migrator.run_direct(None, &mut *tx, false).await?;
                    sqlx::raw_sql("DEALLOCATE ALL").execute(&mut *tx).await?;
                    tx.commit().await?;
                }
            }
            Ok(connection.close().await?)
        };
        detach(async move { watchdog.bound(LONGEST_MIGRATION, migrated).await? }).await
    }

    /// Whether there are tables of ours, of any version.
    pub async fn has_tables(&self) -> Result<bool> {
        let mut connection = connect(&self.patient).await?;
        let select = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
        let has_tables = sqlx::raw_sql(select).fetch_one(&mut connection);
        let has_tables = timeout(ACQUIRE_TIMEOUT, has_tables).await;
        let has_tables = has_tables.map_err(|_| StoreError::silent(ACQUIRE_TIMEOUT))??;
        Ok(has_tables.try_get(0)?)
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connected = timeout(ACQUIRE_TIMEOUT, options.connect()).await;
    Ok(connected.map_err(|_| StoreError::silent(ACQUIRE_TIMEOUT))??)
}

/// A name that no other process has: by it the watchdog finds this process's connections.
fn application_name() -> String {
    let random = Random::from_system().number().unsigned_abs();
    format!("task-center/{}/{random:x}", std::process::id())
}
