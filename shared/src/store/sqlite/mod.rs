//! `SQLite`: its connections, and the hot path. The same names as in `postgres/`.
//!
//! | file | what it does |
//! |---|---|
//! | `submissions` | the chapter of that name |
//! | `submit`, `polls`, `settle`, `sweep` | the chapter `turns` |
//! | `counts` | the fold of `listing` |
//! | `history` | a line of a task's history |
//!
//! `SQLite` has one writer at a time. So one connection writes, and callers wait for it in the pool's
//! queue, in order. Readers have their own connections; with a write-ahead log they neither wait for the
//! writer nor hold it up. Another process may have the file open too (the operator's command line): then
//! the two writers wait for each other in `SQLite`, for `BUSY_TIMEOUT`. Since nobody else writes during a
//! transaction that writes, what it has read stays true until it ends, and it writes its tasks one by one.

mod counts;
mod history;
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
use super::options::ACQUIRE_TIMEOUT;
use super::session::SqliteSession;
use super::{Result, StoreError, migrations};

/// How long a statement waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Retries while another process holds the file, at start only, where two processes may create the file or
/// its tables at the same moment; and the wait between two tries.
const START_TRIES: u32 = 50;
const START_WAIT: Duration = Duration::from_millis(100);

/// A transaction.
type Tx = SqliteSession;

/// The connections to an `SQLite` file. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file at `path` with one connection that writes and `connections` that read. Creates the
    /// file and its folder if there is none.
    pub async fn connect(path: &Path, connections: u32) -> Result<Self> {
        make_file(path).map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);

        // WAL is a property of the file, set at its creation. FULL, because what a client was told is stored
        // must outlive a power cut.
        let writing = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = at_the_start(|| pool(1).connect_with(writing.clone())).await?;

        // Not `read_only`: a read-only connection cannot recover the log of a process that died.
        let reading = options.pragma("query_only", "ON");
        let readers = pool(connections.max(1)).connect_with(reading).await?;
        Ok(Self { writer, readers })
    }

    /// Begins a transaction that writes. `IMMEDIATE`, because the first write of a transaction that began
    /// by reading fails at once, whatever the busy timeout, if another process wrote in between.
    pub(super) async fn begin(&self) -> Result<Tx> {
        let session = SqliteSession::open(&self.writer).await?;
        Ok(session.begin("BEGIN IMMEDIATE").await?)
    }

    /// Begins a transaction that only reads: its first read takes the snapshot.
    pub(super) async fn begin_to_read(&self) -> Result<Tx> {
        Ok(self.read().await?.begin("BEGIN").await?)
    }

    /// A session that reads, outside of any transaction.
    pub(super) async fn read(&self) -> Result<SqliteSession> {
        Ok(SqliteSession::open(&self.readers).await?)
    }

    pub(super) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) async fn migrate(&self) -> Result<()> {
        let store = self.clone();
        detach(async move {
            // sqlx has no lock for migrations of SQLite; this transaction is the lock.
            // sqlx's own transaction, because its migrator opens others within.
            let mut tx = at_the_start(|| store.writer.begin_with("BEGIN IMMEDIATE")).await?;
            // What `run` calls. The future of `run` itself on a connection is not `Send`.
            migrations::sqlite()
                .run_direct(None, &mut *tx, false)
                .await?;
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
        // The writer closes last, because the last connection moves the log into the file.
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> PoolOptions<Sqlite> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // No network can break a connection to a file.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Creates the file, and its folder, if there is none: for its owner only, because the file holds the keys
/// of channels. `SQLite` gives its log the same permissions.
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

/// Tries again while another process that starts at the same moment is in the way.
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
    use harness::folder::Folder;

    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_and_its_log_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = Folder::new();
        let file = folder.path().join("a folder/数据 %41?.db");
        let store = SqliteStore::connect(&file, 1).await.expect("it is made");
        store.migrate().await.expect("the tables are made");
        let files = std::fs::read_dir(folder.path().join("a folder")).expect("the folder is made");
        for file in files {
            let file = file.expect("it reads");
            let mode = file.metadata().expect("it reads").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.path().display());
        }
        assert!(file.exists());
        store.close().await;
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
