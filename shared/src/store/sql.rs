//! What both databases say alike: statements, rows and transactions.
//!
//! The `SQLite` driver reads `$1` as `?1`, so one text of a statement serves both databases. A [`Statement`]
//! does not know which database executes it. Where the two need different texts, a chapter asks
//! [`Database`] or [`Tx`] which one it is.

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use super::options::LONGEST_AUDIT;
use super::postgres::PostgresStore;
use super::row::{Cell, Cells};
use super::session::{PgSession, SqliteSession};
use super::sqlite::SqliteStore;
use super::{Result, StoreError};

/// The databases that there are.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Postgres(PostgresStore),
    Sqlite(SqliteStore),
}

impl Database {
    /// All rows of a statement that reads, outside of any transaction.
    pub(super) async fn all(&self, statement: Statement) -> Result<Vec<Row>> {
        let database = self.clone();
        let work = async move { database.read(statement).await };
        self.detach(work).await
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        match self {
            Self::Postgres(store) => {
                let mut session = store.session().await?;
                let rows = statement.on_postgres().fetch_all(&mut session).await?;
                session.commit().await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
            Self::Sqlite(store) => {
                let mut session = store.read().await?;
                let rows = statement.on_sqlite().fetch_all(&mut *session).await?;
                session.commit().await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
        }
    }

    /// The row of a statement that finds at most one.
    pub(super) async fn optional(&self, statement: Statement) -> Result<Option<Row>> {
        Ok(self.all(statement).await?.pop())
    }

    /// The row of a statement that finds exactly one.
    pub(super) async fn one(&self, statement: Statement) -> Result<Row> {
        exactly_one(self.optional(statement).await?)
    }

    /// Runs `work` in a transaction, in a task of its own, so that a dropped request cannot cancel it
    /// half-way. Commits if `work` returns `Ok`, and rolls back otherwise.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let database = self.clone();
        self.detach(async move {
            let tx = match &database {
                Self::Postgres(store) => Tx::Postgres(store.begin().await?),
                Self::Sqlite(store) => Tx::Sqlite(store.begin().await?),
            };
            tx.run(work).await
        })
        .await
    }

    /// Executes a statement in a transaction of its own, in a task of its own; returns how many rows it
    /// changed.
    pub(super) async fn execute(&self, statement: Statement) -> Result<u64> {
        let Self::Postgres(store) = self else {
            return self.write(|tx| Box::pin(tx.execute(statement))).await;
        };
        let store = store.clone();
        // Without BEGIN and COMMIT: one round trip instead of three.
        self.detach(async move {
            let mut session = store.session().await?;
            let done = statement.on_postgres().execute(&mut session).await?;
            session.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }

    /// Whether a statement that names one row changed it; see [`Database::execute`].
    pub(super) async fn changes(&self, statement: Statement) -> Result<bool> {
        Ok(self.execute(statement).await? == 1)
    }

    /// Runs `work`, which only reads, in a task of its own, on one snapshot of the database. `setting` is
    /// a setting of `PostgreSQL` for this transaction.
    pub(super) async fn snapshot<T, W>(&self, setting: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let database = self.clone();
        let work = async move { database.on_snapshot(setting, work).await };
        self.detach(work).await
    }

    /// [`Database::snapshot`] for work that may take long.
    pub(super) async fn long_snapshot<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let database = self.clone();
        let work = async move { database.on_snapshot("statement_timeout = 0", work).await };
        self.detach_for(LONGEST_AUDIT, work).await
    }

    /// Whether `column` is one of the values of parameter `n`.
    pub(super) fn is_among(&self, column: &str, n: u32) -> String {
        match self {
            Self::Postgres(_) => among_array(column, n),
            Self::Sqlite(_) => among_json(column, n),
        }
    }

    async fn on_snapshot<T, W>(&self, setting: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let tx = match self {
            // One message, so one round trip.
            Self::Postgres(store) => {
                let begin =
                    format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL {setting}");
                Tx::Postgres(store.begin_as(begin).await?)
            }
            // A transaction that reads sees what its first read saw, and holds up no writer.
            Self::Sqlite(store) => Tx::Sqlite(store.begin_to_read().await?),
        };
        tx.run(work).await
    }
}

/// A transaction.
#[derive(Debug)]
pub(super) enum Tx {
    Postgres(PgSession),
    Sqlite(SqliteSession),
}

impl Tx {
    /// Commits if `work` succeeds. Otherwise the connection is closed.
    async fn run<T, W>(mut self, work: W) -> Result<T>
    where
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
    {
        let done = work(&mut self).await?;
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(done)
    }

    /// All rows of a statement.
    pub(super) async fn all(&mut self, statement: Statement) -> Result<Vec<Row>> {
        match self {
            Self::Postgres(tx) => {
                let rows = statement.on_postgres().fetch_all(tx).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
            Self::Sqlite(tx) => {
                let rows = statement.on_sqlite().fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
        }
    }

    /// The row of a statement that finds at most one.
    pub(super) async fn optional(&mut self, statement: Statement) -> Result<Option<Row>> {
        Ok(self.all(statement).await?.pop())
    }

    /// The row of a statement that finds exactly one.
    pub(super) async fn one(&mut self, statement: Statement) -> Result<Row> {
        exactly_one(self.optional(statement).await?)
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        Ok(match self {
            Self::Postgres(tx) => {
                let done = statement.on_postgres().execute(tx).await?;
                done.rows_affected()
            }
            Self::Sqlite(tx) => {
                let done = statement.on_sqlite().execute(&mut **tx).await?;
                done.rows_affected()
            }
        })
    }

    /// Whether `column` is one of the values of parameter `n`.
    pub(super) fn is_among(&self, column: &str, n: u32) -> String {
        match self {
            Self::Postgres(_) => among_array(column, n),
            Self::Sqlite(_) => among_json(column, n),
        }
    }

    /// What a SELECT ends with that leaves rows to others who hold them. `SQLite` has one writer.
    pub(super) fn skip_locked(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "FOR UPDATE SKIP LOCKED",
            Self::Sqlite(_) => "",
        }
    }

    /// What a SELECT ends with whose row is changed later in the transaction. `SQLite` has one writer, so
    /// what a transaction that writes has read stays true until it ends.
    pub(super) fn for_update(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "FOR NO KEY UPDATE",
            Self::Sqlite(_) => "",
        }
    }
}

fn among_array(column: &str, n: u32) -> String {
    format!("{column} = ANY (${n})")
}

fn among_json(column: &str, n: u32) -> String {
    format!("{column} IN (SELECT value FROM json_each(${n}))")
}

fn exactly_one(row: Option<Row>) -> Result<Row> {
    row.ok_or_else(|| StoreError::from(sqlx::Error::RowNotFound))
}

/// A statement with its values: `$1` is the first.
#[derive(Debug)]
pub(super) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement without values.
pub(super) fn sql(text: impl Into<Cow<'static, str>>) -> Statement {
    Statement {
        text: text.into(),
        values: Vec::new(),
    }
}

impl Statement {
    /// Adds a value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn on_postgres(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Flag(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Ints(values) => query.bind(values),
                Value::Texts(values) => query.bind(values),
            })
    }

    fn on_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Flag(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Ints(values) => query.bind(serde_json::json!(values).to_string()),
                Value::Texts(values) => query.bind(serde_json::json!(values).to_string()),
            })
    }
}

/// A value of a statement.
#[derive(Debug)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Flag(Option<bool>),
    Bytes(Vec<u8>),
    /// An array on `PostgreSQL`, a JSON array on `SQLite`.
    Ints(Vec<i64>),
    /// An array on `PostgreSQL`, a JSON array on `SQLite`.
    Texts(Vec<String>),
}

macro_rules! into_value {
    ($($from:ty: $value:ident => $to:expr;)+) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        })+
    };
}

into_value! {
    i64: value => Self::Int(Some(value));
    u32: value => Self::Int(Some(value.into()));
    Option<i64>: value => Self::Int(value);
    &str: value => Self::Text(Some(value.to_owned()));
    Option<&str>: value => Self::Text(value.map(str::to_owned));
    bool: value => Self::Flag(Some(value));
    Option<bool>: value => Self::Flag(value);
    &[u8]: value => Self::Bytes(value.to_vec());
    &[i64]: values => Self::Ints(values.to_vec());
    Vec<String>: values => Self::Texts(values);
}

/// A row of either database.
#[derive(Debug)]
pub(super) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Cells for Row {
    fn get<T: Cell>(&self, column: &str) -> Result<T> {
        match self {
            Self::Postgres(row) => row.get(column),
            Self::Sqlite(row) => row.get(column),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use harness::folder::Folder;

    use super::*;
    use crate::config::DatabaseUrl;
    use crate::store::{Plans, Store};

    async fn song_price(database: &Database) -> i64 {
        let select = sql("SELECT quota FROM prices WHERE action = 'song'");
        let found = database.one(select).await.expect("the statement is right");
        found.int("quota").expect("the column is a number")
    }

    #[tokio::test]
    async fn an_error_rolls_back_and_a_dropped_caller_cancels_nothing() {
        let folder = Folder::new();
        let url = DatabaseUrl::Sqlite(folder.path().join("task-center.db"));
        let store = Store::open(&url, 1, Plans::Kept).await;
        let store = store.expect("the file opens");
        store.migrate().await.expect("the tables are created");
        let database = &store.database;
        let set = || sql("UPDATE prices SET quota = $1 WHERE action = 'song'");

        let before = song_price(database).await;
        let failed: Result<Row> = database
            .write(move |tx| {
                Box::pin(async move {
                    tx.execute(set().bind(1_i64)).await?;
                    tx.one(sql("SELECT 1 AS one WHERE FALSE")).await
                })
            })
            .await;
        failed.expect_err("no row is found");
        assert_eq!(song_price(database).await, before);

        let dropped = tokio::time::timeout(Duration::ZERO, database.execute(set().bind(2_i64)));
        dropped.await.expect_err("the caller does not wait");
        // There is one writer: this statement comes after the dropped one.
        let after = database.execute(sql("DELETE FROM prices WHERE action = 'lyrics'"));
        after.await.expect("the statement is right");
        assert_eq!(song_price(database).await, 2);

        store.close().await;
    }
}
