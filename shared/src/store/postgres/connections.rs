//! The pool of connections, and the connection that migrates.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio::time::timeout;

use super::watchdog::Watchdog;
use crate::random::Random;
use crate::store::detach::detach;
use crate::store::gate::Gate;
use crate::store::options::{ACQUIRE_TIMEOUT, LONGEST_MIGRATION, Plans};
use crate::store::session::PgSession;
use crate::store::{Result, StoreError, migrations};

/// Ping a pooled connection before use if it was idle longer than this.
const IDLE: Duration = Duration::from_millis(500);
/// How long a connection may take to answer a ping.
const LONGEST_PING: Duration = Duration::from_secs(2);

/// The connections to a database. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pub pool: PgPool,
    pub watchdog: Watchdog,
    pub gate: Gate,
    /// Options without time limits, for migrations: one may take long, or wait long for another program's.
    patient: Arc<PgConnectOptions>,
}

impl Connections {
    /// At most `most` connections to `url`, none of which is made yet.
    pub fn new(url: &str, most: u32, plans: Plans, gate: Gate) -> Result<Self> {
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
            .max_connections(most)
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
                    if about.idle_for <= IDLE {
                        return Ok(true);
                    }
                    if let Ok(pinged) = timeout(LONGEST_PING, connection.ping()).await {
                        pinged?;
                        return Ok(true);
                    }
                    tracing::warn!(
                        "a database connection is mute: all that there are are replaced"
                    );
                    watchdog.distrust();
                    Ok(false)
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            watchdog,
            gate,
            patient: Arc::new(patient),
        })
    }

    /// A session outside of any transaction.
    pub async fn session(&self) -> Result<PgSession> {
        self.gate.pass()?;
        match PgSession::open(&self.pool).await {
            Err(sqlx::Error::PoolTimedOut) => {
                Err(Box::pin(self.watchdog.why_no_connection()).await)
            }
            session => Ok(session?),
        }
    }

    /// Brings the tables up to date.
    pub async fn migrate(&self) -> Result<()> {
        let (watchdog, patient) = (self.watchdog.clone(), Arc::clone(&self.patient));
        let migrated = async move {
            let mut connection = connect(&patient).await?;
            // The migrator holds an advisory lock: many programs may start at once.
            let migrator = migrations::postgres();
            migrator.run_direct(None, &mut connection, false).await?;
            Ok(connection.close().await?)
        };
        detach(async move { watchdog.bound(LONGEST_MIGRATION, migrated).await? }).await
    }

    /// Whether there are tables of ours, of any version.
    pub async fn has_tables(&self) -> Result<bool> {
        let mut connection = connect(&self.patient).await?;
        let select = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
        let has_tables = sqlx::query_scalar(select).fetch_one(&mut connection);
        let has_tables = timeout(ACQUIRE_TIMEOUT, has_tables).await;
        Ok(has_tables.map_err(|_| StoreError::silent(ACQUIRE_TIMEOUT))??)
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
