//! Runs one test body over every Store, each time on a database of its own.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use harness::database::Database as PostgresDatabase;
use harness::folder::Folder;
use harness::servers::postgres_of_environment;
use shared::config::DatabaseUrl;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::world::World;

/// Makes two tests of each `async fn name(world: &World)`: `sqlite::name` and `postgres::name`. The
/// compiler reports a function that is missing in the list as unused.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() {
                crate::database::on_sqlite(super::$name);
            })+
        }

        mod postgres {
            $(#[test] fn $name() {
                crate::database::on_postgres(super::$name);
            })+
        }
    };
}
pub(crate) use contract;

/// Awaits a call of the Store, and fails the test if the call fails.
macro_rules! ok {
    ($call:expr) => {
        $call.await.expect("the Store answers")
    };
}
pub(crate) use ok;

/// Empties the tables, in the order of their references; the prices stay.
pub const EMPTY: &str = "
    DELETE FROM task_events; DELETE FROM ledger; DELETE FROM unfinished_tasks;
    DELETE FROM late_tasks; DELETE FROM idempotency_keys; DELETE FROM tasks; DELETE FROM api_keys;
    DELETE FROM channels; DELETE FROM users";

/// The database of one test.
pub enum Database {
    /// A file in a folder of its own.
    Sqlite(Folder),
    /// A database on the server of `DATABASE_URL`.
    Postgres(Box<PostgresDatabase>),
}

impl Database {
    fn sqlite() -> Self {
        Self::Sqlite(Folder::new())
    }

    async fn postgres() -> Self {
        let server = postgres_of_environment();
        Self::Postgres(Box::new(PostgresDatabase::create(&server, "store").await))
    }

    /// Its address.
    pub fn url(&self) -> DatabaseUrl {
        match self {
            // The Store makes the folder of its file.
            Self::Sqlite(folder) => DatabaseUrl::Sqlite(folder.path().join("data/task-center.db")),
            Self::Postgres(database) => DatabaseUrl::Postgres(database.url()),
        }
    }

    /// Another one of the same kind, without any tables. The caller removes it.
    pub async fn sibling(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Postgres(_) => Self::postgres().await,
        }
    }

    /// Makes the tables as a program did that knew the migrations up to number `last`.
    pub async fn migrate_to(&self, last: i64) {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let dialect = match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        };
        let migrator = Migrator::new(migrations.join(dialect)).await;
        let mut migrator = migrator.expect("the migrations read");
        migrator
            .migrations
            .to_mut()
            .retain(|one| one.version <= last);
        match self {
            Self::Sqlite(_) => migrator.run(&mut self.sqlite_connection().await).await,
            Self::Postgres(database) => migrator.run(&mut database.connect().await).await,
        }
        .expect("the tables are made");
    }

    /// Executes statements past the Store.
    pub async fn execute(&self, sql: &str) {
        let done = self.try_to_execute(sql).await;
        done.expect("the statements are right");
    }

    /// Executes statements past the Store that the database may refuse.
    pub async fn try_to_execute(&self, sql: &str) -> sqlx::Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(_) => {
                let mut connection = self.sqlite_connection().await;
                sql.execute(&mut connection).await?;
                connection.close().await
            }
            Self::Postgres(database) => {
                let mut connection = database.connect().await;
                sql.execute(&mut connection).await?;
                connection.close().await
            }
        }
    }

    /// Reads a number past the Store.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let number = match self {
            Self::Sqlite(_) => {
                let mut connection = self.sqlite_connection().await;
                sqlx::query_scalar(sql).fetch_one(&mut connection).await
            }
            Self::Postgres(database) => {
                let mut connection = database.connect().await;
                sqlx::query_scalar(sql).fetch_one(&mut connection).await
            }
        };
        number.expect("the query is right")
    }

    async fn sqlite_connection(&self) -> SqliteConnection {
        let DatabaseUrl::Sqlite(path) = self.url() else {
            unreachable!("it is SQLite");
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the folder is made");
        }
        // Without foreign keys: a test that breaks the ledger on purpose may break everything.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(false)
            .create_if_missing(true);
        options.connect().await.expect("the file opens")
    }

    /// Removes it.
    pub async fn remove(self) {
        if let Self::Postgres(database) = self {
            database.remove().await;
        }
    }
}

/// Runs a test on a new `SQLite` file.
pub fn on_sqlite(test: impl AsyncFnOnce(&World)) {
    run(async { Database::sqlite() }, test);
}

/// Runs a test on a new Postgres database.
pub fn on_postgres(test: impl AsyncFnOnce(&World)) {
    run(Database::postgres(), test);
}

/// Runs a test, proves that its ledger balances at the end, and removes its database.
fn run(database: impl Future<Output = Database>, test: impl AsyncFnOnce(&World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let world = runtime.block_on(async { World::new(database.await).await });
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            test(&world).await;
            world.assert_balanced_unless_broken().await;
        });
    }));
    runtime.block_on(async { world.close().await.remove().await });
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}
