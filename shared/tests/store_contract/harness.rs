//! One test body, run over every Store, each time on a database of its own.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use shared::config::DatabaseUrl;
use shared::random::Random;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::world::World;

/// Makes two tests of each `async fn name(world: &World)`: `sqlite::name` and `postgres::name`. One
/// that is left out of the list is an unused function, which the compiler reports.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() {
                crate::harness::on_sqlite(super::$name);
            })+
        }

        mod postgres {
            $(#[test] fn $name() {
                crate::harness::on_postgres(super::$name);
            })+
        }
    };
}
pub(crate) use contract;

/// A database made for one test.
pub enum Database {
    /// A folder with the file in it.
    Sqlite { folder: PathBuf },
    /// A database on the server of `DATABASE_URL`.
    Postgres {
        server: Box<PgConnectOptions>,
        name: String,
    },
}

impl Database {
    fn sqlite() -> Self {
        let name = format!("task-center-test-{}", unique());
        Self::Sqlite {
            folder: std::env::temp_dir().join(name),
        }
    }

    async fn postgres() -> Self {
        let Ok(url) = std::env::var("DATABASE_URL") else {
            panic!("DATABASE_URL is not set; run scripts/test, which starts a Postgres of its own");
        };
        let server: PgConnectOptions = url.parse().expect("DATABASE_URL is postgres://…");
        let name = format!("tc_test_{}", unique());
        Self::on_server(&server, format!("CREATE DATABASE {name}")).await;
        Self::Postgres {
            server: Box::new(server),
            name,
        }
    }

    /// Its address.
    pub fn url(&self) -> DatabaseUrl {
        match self {
            Self::Sqlite { folder } => DatabaseUrl::Sqlite(folder.join("task-center.db")),
            Self::Postgres { server, name } => {
                DatabaseUrl::Postgres((**server).clone().database(name).to_url_lossy().into())
            }
        }
    }

    /// Another one of the same kind, without any tables; to be removed.
    pub async fn sibling(&self) -> Self {
        match self {
            Self::Sqlite { .. } => Self::sqlite(),
            Self::Postgres { .. } => Self::postgres().await,
        }
    }

    /// Executes statements behind the Store's back.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite { .. } => {
                let mut connection = self.sqlite_connection().await;
                sqlx::raw_sql(sql)
                    .execute(&mut connection)
                    .await
                    .expect("the statements are right");
                connection.close().await.expect("it closes");
            }
            Self::Postgres { .. } => {
                let mut connection = self.postgres_connection().await;
                sqlx::raw_sql(sql)
                    .execute(&mut connection)
                    .await
                    .expect("the statements are right");
                connection.close().await.expect("it closes");
            }
        }
    }

    /// Asks for a number behind the Store's back.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite { .. } => {
                sqlx::query_scalar(sql)
                    .fetch_one(&mut self.sqlite_connection().await)
                    .await
            }
            Self::Postgres { .. } => {
                sqlx::query_scalar(sql)
                    .fetch_one(&mut self.postgres_connection().await)
                    .await
            }
        }
        .expect("the question is right")
    }

    async fn sqlite_connection(&self) -> SqliteConnection {
        let DatabaseUrl::Sqlite(path) = self.url() else {
            unreachable!("it is SQLite");
        };
        // Without foreign keys: who breaks the books on purpose may break everything.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(false);
        options.connect().await.expect("the file opens")
    }

    async fn postgres_connection(&self) -> PgConnection {
        let Self::Postgres { server, name } = self else {
            unreachable!("it is Postgres");
        };
        let options = (**server).clone().database(name);
        options.connect().await.expect("the server answers")
    }

    async fn on_server(server: &PgConnectOptions, sql: String) {
        let mut connection = server.connect().await.unwrap_or_else(|error| {
            panic!("DATABASE_URL names a server that does not answer ({error}); run scripts/test")
        });
        let done = sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        done.expect("the server makes and drops databases");
        connection.close().await.expect("it closes");
    }

    /// Takes it away.
    pub async fn remove(self) {
        match self {
            Self::Sqlite { folder } => {
                std::fs::remove_dir_all(folder).expect("the folder goes");
            }
            Self::Postgres { server, name } => {
                Self::on_server(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
            }
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

/// Whatever a test does, its books must balance at its end, and nothing of it may stay.
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

fn unique() -> String {
    Random::from_system().letters_and_digits(16).to_lowercase()
}
