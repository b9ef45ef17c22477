//! The Store on Postgres.
//!
//! | file | what it does |
//! |---|---|
//! | `accounts`, `channels`, `submissions`, `listing`, `books` | the trait of that name |
//! | `turns` | the trait [`super::Turns`], its parts in `submit`, `polls`, `settle`, `sweep` |
//!
//! Two facts decide most of what is written here. At READ COMMITTED an `UPDATE … WHERE turn = $n`
//! that waited for another transaction checks its condition again on the row as that one left it:
//! so a turn is claimed once. And locks are taken in one order everywhere, so that nobody waits in
//! a circle: `unfinished_tasks`, `tasks`, `users`, `api_keys`, `channels`, each by ascending id.

mod accounts;
mod books;
mod channels;
mod listing;
mod polls;
mod settle;
mod submissions;
mod submit;
mod sweep;
mod turns;

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::connect::ACQUIRE_TIMEOUT;
use super::detach::detach;
use super::{Result, Store, migrations};

/// The Store on Postgres.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    /// Without the limits of time: a migration may take long, and wait long for another program's.
    patient: PgConnectOptions,
}

impl PostgresStore {
    /// Opens a pool of at most `connections` at `url`, and makes sure that the database answers.
    pub async fn connect(url: &str, connections: u32) -> Result<Self> {
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
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A round trip less for each statement. A connection that died while it rested fails the
            // next statement instead, which is a passing error and is asked again.
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self { pool, patient })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn migrate(&self) -> Result<()> {
        let patient = self.patient.clone();
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

    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
