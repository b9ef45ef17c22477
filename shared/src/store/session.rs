//! A connection for one unit of work.
//!
//! The connection goes back to its pool only if the work on it succeeded. Otherwise it is closed: it may be in
//! the middle of a transaction or of an answer, or carry nothing any more, and nobody can tell.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::pool::{Pool, PoolConnection};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};

use sqlx::{AssertSqlSafe, Either, Execute, Executor, Postgres, SqlStr, Sqlite, SqliteConnection};

use crate::config::Pooler;

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
    in_transaction: bool,
    /// Whether the server keeps the statements of this connection.
    keeps_statements: bool,
    /// Whether the work succeeded.
    is_done: bool,
}

/// A session on `PostgreSQL`.
pub(super) type PgSession = Session<Postgres>;
/// A session on `SQLite`.
pub(super) type SqliteSession = Session<Sqlite>;

impl<DB: sqlx::Database> Session<DB> {
    /// A session outside of any transaction.
    pub async fn open(pool: &Pool<DB>, pooler: Pooler) -> sqlx::Result<Self> {
        let _waiting = Waiting::begin();
        Ok(Self {
            connection: pool.acquire().await?,
            in_transaction: false,
            keeps_statements: pooler == Pooler::None,
            is_done: false,
        })
    }
}

macro_rules! transactions {
    ($($database:ty),+) => {
        $(impl Session<$database> {
            /// Begins a transaction by the statements `begin`.
            pub async fn begin(mut self, begin: impl Into<String>) -> sqlx::Result<Self> {
                self.plain(begin.into()).await?;
                self.in_transaction = true;
                Ok(self)
            }

            /// The work succeeded: a transaction commits, and the connection goes back to its pool. After an error
            /// nobody knows the outcome.
            pub async fn commit(self) -> sqlx::Result<()> {
                self.end("COMMIT").await
            }

            /// Ends a transaction in which nothing is to be kept.
            pub async fn roll_back(self) -> sqlx::Result<()> {
                self.end("ROLLBACK").await
            }

            async fn end(mut self, statement: &str) -> sqlx::Result<()> {
                if self.in_transaction {
                    self.plain(statement.to_owned()).await?;
                }
                self.is_done = true;
                Ok(())
            }

            /// Executes statements without values.
            pub async fn plain(&mut self, statements: String) -> sqlx::Result<()> {
                let statements = sqlx::raw_sql(AssertSqlSafe(statements));
                statements.execute(&mut *self.connection).await?;
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

impl Deref for SqliteSession {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for SqliteSession {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Statements go through here, so that none gets a name behind a pooler: the next transaction may have another
/// connection to the server.
impl<'c> Executor<'c> for &'c mut PgSession {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let query = Statement::of(query, self.keeps_statements);
        self.connection.fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let query = Statement::of(query, self.keeps_statements);
        self.connection.fetch_optional(query)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }
}

/// A query whose statement has a name only if the server keeps it.
struct Statement<E> {
    query: E,
    is_kept: bool,
}

impl<E> Statement<E> {
    fn of(query: E, is_kept: bool) -> Self {
        Self { query, is_kept }
    }
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Statement<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(
        &mut self,
    ) -> Result<Option<sqlx::postgres::PgArguments>, sqlx::error::BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.is_kept && self.query.persistent()
    }
}
