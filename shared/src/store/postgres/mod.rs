//! The Store on Postgres.
//!
//! | file | what it does |
//! |---|---|
//! | `accounts`, `channels`, `submissions`, `listing`, `books` | the chapter of that name |
//! | `counts` | the fold of `listing` |
//! | `submit`, `polls`, `settle`, `sweep` | the chapter `turns` |
//!
//! Two facts decide most of what is written here. At READ COMMITTED an `UPDATE … WHERE turn = $n`
//! that waited for another transaction checks its condition again on the row as that one left it:
//! so a turn is claimed once. And locks are taken in one order everywhere, so that nobody waits in
//! a circle: `unfinished_tasks`, `tasks`, `users`, `api_keys`, `channels`, each by ascending id.

mod accounts;
mod books;
mod channels;
mod column;
mod counts;
mod listing;
mod polls;
mod settle;
mod submissions;
mod submit;
mod sweep;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool};

use super::detach::detach;
use super::open::ADD_PRICE;
use super::options::{ACQUIRE_TIMEOUT, Plans};
use super::{Result, migrations};
use crate::task::platform::default_prices;

/// After how long without use a connection may be broken.
const RESTED: Duration = Duration::from_millis(500);

/// The Store on Postgres.
#[derive(Debug, Clone)]
pub(super) struct PostgresStore {
    pool: PgPool,
    key_holders: accounts::KeyHolders,
    /// Options without time limits, for migrations: one may take long, or wait long for another program's.
    patient: Arc<PgConnectOptions>,
    /// How many changes of tasks were folded since their table was cleaned up.
    folded: Arc<AtomicU64>,
}

impl PostgresStore {
    /// Opens a pool of at most `connections` at `url`, and makes sure that the database answers.
    pub async fn connect(url: &str, connections: u32, plans: Plans) -> Result<Self> {
        let patient = url
            .parse::<PgConnectOptions>()?
            .application_name("task-center");
        let options = patient
            .clone()
            // What hangs must end: a statement, a wait for a lock, a transaction nobody goes on with.
            .options([
                ("statement_timeout", "30s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "30s"),
            ])
            .options([
                ("plan_cache_mode", plan_cache_mode(plans)),
                // What is asked for most is in memory: to look a row up costs no more there than to read on.
                ("random_page_cost", "1.1"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // Whether it still answers is asked of one that rested, not before each use: that would be
            // half as much again of what a question costs.
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self {
            key_holders: accounts::batcher(pool.clone()),
            pool,
            patient: Arc::new(patient),
            folded: Arc::default(),
        })
    }
}

fn plan_cache_mode(plans: Plans) -> &'static str {
    match plans {
        Plans::Kept => "auto",
        Plans::Fresh => "force_custom_plan",
    }
}

impl PostgresStore {
    pub(super) async fn migrate(&self) -> Result<()> {
        let patient = (*self.patient).clone();
        detach(async move {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .connect_with(patient)
                .await?;
            // The migrator holds an advisory lock: many programs may start at once.
            let migrated = async {
                migrations::postgres().run(&pool).await?;
                for (platform, action, quota) in default_prices() {
                    sqlx::query(ADD_PRICE)
                        .bind(platform.as_str())
                        .bind(action.as_str())
                        .bind(quota.get())
                        .execute(&pool)
                        .await?;
                }
                Ok(())
            }
            .await;
            pool.close().await;
            migrated
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
