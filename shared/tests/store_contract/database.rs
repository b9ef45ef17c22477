//! Runs one test body over every Store, each time on empty tables.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use harness::database::Database as PostgresDatabase;
use harness::folder::Folder;
use harness::servers::postgres_of_environment;
use harness::suite::{Trial, caught};
use shared::config::DatabaseUrl;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::runtime::{Builder, Runtime};

use crate::world::World;

/// Makes two tests of each `async fn name(world: &World)`: `sqlite::name` and `postgres::name`. The
/// compiler reports a function that is missing in the list as unused.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        /// The tests of this module.
        pub fn tests() -> Vec<harness::suite::Trial> {
            use crate::database::{Kind, test};
            let path = |kind, name| format!("{}::{kind}::{name}", module_path!());
            vec![$(
                test(Kind::Sqlite, &path("sqlite", stringify!($name)), $name),
                test(Kind::Postgres, &path("postgres", stringify!($name)), $name),
            )+]
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
    DELETE FROM channels; DELETE FROM users; DELETE FROM task_changes; DELETE FROM task_counts;
    DELETE FROM durations;
    DELETE FROM model_prices";

/// The default prices.
const PRICES: &str = "
    UPDATE prices SET quota = CASE action WHEN 'song' THEN 150000 ELSE 5000 END";

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `SQLite` file.
    Sqlite,
    /// A database of a Postgres server.
    Postgres,
}

/// The database of one test.
pub enum Database {
    /// A file in a folder of its own.
    Sqlite(Folder),
    /// A database on the server of `DATABASE_URL`, and a connection past the Store.
    Postgres(Box<PostgresDatabase>, tokio::sync::Mutex<PgConnection>),
}

impl Database {
    /// A database without any tables.
    async fn new(kind: Kind) -> Self {
        if kind == Kind::Sqlite {
            return Self::Sqlite(Folder::new());
        }
        let server = postgres_of_environment();
        let database = PostgresDatabase::create(&server, "store").await;
        let connection = database.connect().await;
        Self::Postgres(Box::new(database), connection.into())
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(..) => Kind::Postgres,
        }
    }

    /// Its address.
    pub fn url(&self) -> DatabaseUrl {
        match self {
            // The Store makes the folder of its file.
            Self::Sqlite(folder) => DatabaseUrl::Sqlite(folder.path().join("data/task-center.db")),
            Self::Postgres(database, _) => DatabaseUrl::Postgres(database.url()),
        }
    }

    /// Another one of the same kind, without any tables. The caller removes it.
    pub async fn sibling(&self) -> Self {
        Self::new(self.kind()).await
    }

    /// Makes the tables with all migrations but one. A program of the version before that one would not know the
    /// later ones either, but the Store of this version, which stands in for it, needs them.
    pub async fn migrate_without(&self, version: i64) {
        self.migrate_those(|one| one != version).await;
    }

    /// Makes the tables as they were at this version.
    pub async fn migrate_until(&self, version: i64) {
        self.migrate_those(|one| one <= version).await;
    }

    async fn migrate_those(&self, which: impl Fn(i64) -> bool) {
        let migrator = Migrator::new(self.migrations()).await;
        let mut migrator = migrator.expect("the migrations read");
        migrator
            .migrations
            .to_mut()
            .retain(|one| which(one.version));
        match self {
            Self::Sqlite(_) => migrator.run(&mut self.sqlite_connection().await).await,
            Self::Postgres(_, connection) => migrator.run(&mut *connection.lock().await).await,
        }
        .expect("the tables are made");
    }

    /// The folder of its migrations.
    fn migrations(&self) -> PathBuf {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        migrations.join(match self.kind() {
            Kind::Sqlite => "sqlite",
            Kind::Postgres => "postgres",
        })
    }

    /// Executes a migration again, of which the test took back what it did.
    pub async fn migrate_again(&self, file: &str) {
        let sql = std::fs::read_to_string(self.migrations().join(file));
        self.execute(&sql.expect("the migration is there")).await;
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
            Self::Sqlite(_) => sql
                .execute(&mut self.sqlite_connection().await)
                .await
                .map(drop),
            Self::Postgres(_, connection) => {
                sql.execute(&mut *connection.lock().await).await.map(drop)
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
            Self::Postgres(_, connection) => {
                let connection = &mut *connection.lock().await;
                sqlx::query_scalar(sql).fetch_one(connection).await
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
        if let Self::Postgres(database, connection) = self {
            drop(connection);
            database.remove().await;
        }
    }
}

/// All tests share a runtime, so that the connections of a Store outlive the test that opened them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).enable_all().build();
    runtime.expect("a runtime starts")
});

/// Worlds that no test uses. Making one takes longer than most tests.
static IDLE: Mutex<Vec<World>> = Mutex::new(Vec::new());

/// A test with empty tables, which proves at its end that the ledger balances.
pub fn test<F>(kind: Kind, path: &str, body: F) -> Trial
where
    F: AsyncFnOnce(&World) + Send + 'static,
{
    let name = path.trim_start_matches("store_contract::");
    Trial::test(name, move || {
        RUNTIME.block_on(run(kind, body)).map_err(Into::into)
    })
}

async fn run(kind: Kind, body: impl AsyncFnOnce(&World)) -> Result<(), String> {
    let world = world(kind).await;
    let tested = caught(async {
        body(&world).await;
        world.assert_balanced_unless_broken().await;
    });
    let outcome = tested.await;
    if outcome.is_ok() && !world.is_broken() {
        idle(|worlds| worlds.push(world));
    } else {
        world.close().await.remove().await;
    }
    outcome
}

/// A world with empty tables.
async fn world(kind: Kind) -> World {
    let used = idle(|worlds| {
        let found = worlds
            .iter()
            .position(|world| world.database.kind() == kind);
        found.map(|place| worlds.swap_remove(place))
    });
    let Some(world) = used else {
        return World::new(Database::new(kind).await).await;
    };
    world.database.execute(EMPTY).await;
    world.database.execute(PRICES).await;
    world
}

/// Removes the databases of all worlds that no test uses.
pub fn remove_idle() {
    RUNTIME.block_on(async {
        for world in idle(std::mem::take) {
            world.close().await.remove().await;
        }
    });
}

fn idle<T>(change: impl FnOnce(&mut Vec<World>) -> T) -> T {
    change(&mut IDLE.lock().unwrap_or_else(PoisonError::into_inner))
}
