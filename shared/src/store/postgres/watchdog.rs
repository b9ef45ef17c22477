//! Bounds every unit of work, and notices that the pool's connections carry nothing any more although the
//! server answers: after a failover behind a balancer nobody resets the old connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::store::{Result, StoreError};

/// A unit of work that takes longer makes the watchdog look, once a second.
const SUSPECT_AFTER: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a fresh connection may take to answer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Watchdog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For a fresh connection. The application's name is this process's own.
    options: PgConnectOptions,
    /// Connections that were made before this moment are dead.
    dead_before: watch::Sender<Instant>,
    is_looking: AtomicBool,
    /// Why no connection became free, and when the server was asked.
    no_connection: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
}

impl Watchdog {
    /// A watchdog that connects by `options`, whose application name no other process has.
    pub fn new(options: PgConnectOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            dead_before: watch::Sender::new(Instant::now()),
            is_looking: AtomicBool::new(false),
            no_connection: tokio::sync::Mutex::default(),
        }))
    }

    /// Whether a connection of this age may still be used.
    pub fn trusts(&self, age: Duration) -> bool {
        age < self.0.dead_before.borrow().elapsed()
    }

    /// From now on no connection that there is is trusted.
    pub fn distrust(&self) {
        self.0.dead_before.send_replace(Instant::now());
    }

    /// Runs a unit of work for at most `longest`. A unit is given up earlier if its connection is dead.
    pub async fn bound<T>(&self, longest: Duration, work: impl Future<Output = T>) -> Result<T> {
        let started = Instant::now();
        tokio::pin!(work);
        if let Ok(done) = timeout(SUSPECT_AFTER, &mut work).await {
            return Ok(done);
        }
        let mut dead_before = self.0.dead_before.subscribe();
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = dead_before.changed() => return Err(StoreError::silent(started.elapsed())),
                () = sleep(LOOK_EVERY) => {}
            }
            if started.elapsed() >= longest {
                return Err(StoreError::silent(longest));
            }
            self.look();
        }
    }

    /// Why no connection became free in time: whether the server takes no connection, or all are in use. The
    /// server is asked at most once a second.
    pub async fn why_no_connection(&self) -> StoreError {
        let mut known = self.0.no_connection.lock().await;
        if let Some((asked, why)) = &*known
            && asked.elapsed() < LOOK_EVERY
        {
            return why.alike();
        }
        let why = match timeout(LONGEST_LOOK, self.0.connect()).await {
            Ok(Ok(())) => StoreError::Busy,
            Ok(Err(error)) => error.into(),
            Err(_) => StoreError::silent(LONGEST_LOOK),
        };
        *known = Some((Instant::now(), why.alike()));
        why
    }

    /// Asks the server over a fresh connection, unless that is under way.
    fn look(&self) {
        if self.0.is_looking.swap(true, Ordering::SeqCst) {
            return;
        }
        let watchdog = self.clone();
        tokio::spawn(async move {
            let looked = timeout(LONGEST_LOOK, watchdog.0.is_nothing_under_way()).await;
            if let Ok(Ok(true)) = looked {
                tracing::warn!(
                    "the database answers over a fresh connection, and executes nothing of ours: \
                     the other connections are given up"
                );
                watchdog.distrust();
            }
            watchdog.0.is_looking.store(false, Ordering::SeqCst);
        });
    }
}

impl Inner {
    async fn connect(&self) -> sqlx::Result<()> {
        self.options.connect().await?.close().await
    }

    /// Whether the server answers, and none of this process's connections has a statement or a transaction
    /// under way.
    async fn is_nothing_under_way(&self) -> sqlx::Result<bool> {
        let mut fresh = self.options.connect().await?;
        let busy = sqlx::raw_sql(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = current_setting('application_name')
               AND pid <> pg_backend_pid() AND state <> 'idle'",
        );
        let busy: i64 = busy.fetch_one(&mut fresh).await?.try_get(0)?;
        fresh.close().await?;
        Ok(busy == 0)
    }
}
