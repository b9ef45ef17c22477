//! A connection for one unit of work.
//!
//! The connection goes back to its pool only if the work on it succeeded. Otherwise it is closed: it may be in
//! the middle of a transaction or of an answer, or carry nothing any more, and nobody can tell.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::pool::{Pool, PoolConnection};
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

/// How many units of work wait for a connection.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// How many units of work of this process wait for a connection.
pub(super) fn waiting() -> u64 {
    WAITING.load(Ordering::Relaxed)
}

/// Counts a unit of work that waits, until it is dropped.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection for one unit of work, in a transaction or outside of any.
#[derive(Debug)]
pub(super) struct Session<DB: sqlx::Database> {
    connection: PoolConnection<DB>,
    /// Whether the work succeeded.
    is_done: bool,
}

/// A session on `PostgreSQL`.
pub(super) type PgSession = Session<Postgres>;
/// A session on `SQLite`.
pub(super) type SqliteSession = Session<Sqlite>;

impl<DB: sqlx::Database> Session<DB> {
    /// A session outside of any transaction.
    pub async fn open(pool: &Pool<DB>) -> sqlx::Result<Self> {
        let _waiting = Waiting::begin();
        Ok(Self {
            connection: pool.acquire().await?,
            is_done: false,
        })
    }

    /// The work succeeded: the connection goes back to its pool. Not for a transaction, which ends with
    /// [`Session::commit`] or [`Session::roll_back`].
    pub fn close(mut self) {
        self.is_done = true;
    }
}

impl<DB: sqlx::Database> Deref for Session<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: sqlx::Database> DerefMut for Session<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

macro_rules! transactions {
    ($($database:ty),+) => {
        $(impl Session<$database> {
            /// Begins a transaction by the statements `begin`.
            pub async fn begin(mut self, begin: impl Into<String>) -> sqlx::Result<Self> {
                self.plain(begin.into()).await?;
                Ok(self)
            }

            /// Commits. After an error nobody knows the outcome.
            pub async fn commit(self) -> sqlx::Result<()> {
                self.end("COMMIT").await
            }

            /// Ends a transaction in which nothing is to be kept.
            pub async fn roll_back(self) -> sqlx::Result<()> {
                self.end("ROLLBACK").await
            }

            async fn end(mut self, statement: &str) -> sqlx::Result<()> {
                self.plain(statement.to_owned()).await?;
                self.close();
                Ok(())
            }

            /// Executes a statement without values.
            async fn plain(&mut self, statement: String) -> sqlx::Result<()> {
                let statement = sqlx::raw_sql(AssertSqlSafe(statement));
                statement.execute(&mut **self).await?;
                Ok(())
            }
        })+
    };
}

transactions!(Postgres, Sqlite);

impl<DB: sqlx::Database> Drop for Session<DB> {
    fn drop(&mut self) {
        if !self.is_done {
            self.connection.close_on_drop();
        }
    }
}
