//! The Store on one `SQLite` file. The same names as in `postgres/`.
//!
//! | file | what it does |
//! |---|---|
//! | `accounts`, `channels`, `submissions`, `listing`, `books` | the chapter of that name |
//! | `counts` | the fold of `listing` |
//! | `submit`, `polls`, `settle`, `sweep` | the chapter `turns` |
//! | `history` | a line of a task's history |
//!
//! `SQLite` has one writer at a time, whatever we do. So there is one connection that writes, and
//! callers wait for it in our own queue, in order; readers have connections of their own and, with
//! a write-ahead log, neither wait for the writer nor hold it up. Another process may have the file
//! open too (the operator's command line): then the two writers wait for each other in `SQLite`,
//! for `BUSY_TIMEOUT`. As nothing is written while another writes, what one transaction reads stays
//! true until it ends, and many tasks are written one by one in it.

mod accounts;
mod books;
mod channels;
mod counts;
mod history;
mod listing;
mod polls;
mod settle;
mod submissions;
mod submit;
mod sweep;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use super::detach::detach;
use super::open::ADD_PRICE;
use super::options::ACQUIRE_TIMEOUT;
use super::{Result, StoreError, migrations};
use crate::task::platform::default_prices;

/// How long a statement waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often what another process is in the way of is tried, and the wait between two tries. For
/// the start only, where two processes may make the file, or its tables, at the same moment.
const START_TRIES: u32 = 50;
const START_WAIT: Duration = Duration::from_millis(100);

/// A transaction that may write.
type Tx = sqlx::Transaction<'static, Sqlite>;

/// The Store on one `SQLite` file.
#[derive(Debug, Clone)]
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file at `path`, and makes it and its folder if there is none, with one connection
    /// that writes and `connections` that read.
    pub async fn connect(path: &Path, connections: u32) -> Result<Self> {
        make_file(path).map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);

        // WAL is a property of the file, set by whoever makes it; FULL, as what we answered 200 for
        // must outlive a power cut.
        let writing = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = at_the_start(|| pool(1).connect_with(writing.clone())).await?;

        // Not `read_only`: such a connection cannot recover the log of a process that died.
        let reading = options.pragma("query_only", "ON");
        let readers = pool(connections.max(1)).connect_with(reading).await?;
        Ok(Self { writer, readers })
    }

    /// Begins a transaction that writes. `IMMEDIATE`, as one that began by reading could find on its
    /// first write that another has written since: that fails at once, whatever the busy timeout.
    async fn begin(&self) -> Result<Tx> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

impl SqliteStore {
    pub(super) async fn migrate(&self) -> Result<()> {
        let store = self.clone();
        detach(async move {
            // sqlx has no lock for the migrations of SQLite: this transaction is ours.
            let mut tx = at_the_start(|| store.begin()).await?;
            // What `run` calls; `run` itself cannot be given a connection in a task that moves.
            migrations::sqlite()
                .run_direct(None, &mut *tx, false)
                .await?;
            for (platform, action, quota) in default_prices() {
                sqlx::query(ADD_PRICE)
                    .bind(platform.as_str())
                    .bind(action.as_str())
                    .bind(quota.get())
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    pub(super) async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT count(*) FROM sqlite_schema")
            .execute(&self.readers)
            .await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        // Last: what closes the file last also empties the log into it.
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> PoolOptions<Sqlite> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // There is no network between us and a file that could break a connection.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the file, and its folder, if there is none: for its owner only, as it holds the keys of
/// channels. `SQLite` gives its log the same rights.
fn make_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}

/// Does what another process that starts at the same moment may be in the way of.
async fn at_the_start<T, E, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    StoreError: From<E>,
    F: Future<Output = std::result::Result<T, E>>,
{
    let mut tries = 1;
    loop {
        match attempt().await.map_err(StoreError::from) {
            Err(StoreError::Contended(_)) if tries < START_TRIES => tries += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(START_WAIT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_and_its_log_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let name = Random::from_system().letters_and_digits(16);
        let folder = std::env::temp_dir().join(format!("task-center-{name}"));
        let file = folder.join("a folder/数据 %41?.db");
        let store = SqliteStore::connect(&file, 1).await.expect("it is made");
        store.migrate().await.expect("the tables are made");
        let files = std::fs::read_dir(folder.join("a folder")).expect("the folder is made");
        for file in files {
            let file = file.expect("it reads");
            let mode = file.metadata().expect("it reads").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.path().display());
        }
        assert!(file.exists());
        store.close().await;
        std::fs::remove_dir_all(folder).expect("it goes");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_cannot_be_reached() {
        let path = Path::new("/dev/null/data/task-center.db");
        let error = SqliteStore::connect(path, 1)
            .await
            .expect_err("there is none");
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    }
}
