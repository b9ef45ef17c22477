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
pub(super) mod submit;
mod sweep;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use tokio::time::timeout;

use super::detach::detach;
use super::gate::Gate;
use super::options::ACQUIRE_TIMEOUT;
use super::session::SqliteSession;
use super::{Result, StoreError, migrations};
use crate::config::Pooler;

/// How long a statement waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Retries while another process holds the file, at start only, where two processes may create the file or
/// its tables at the same moment; and the wait between two tries.
const START_TRIES: u32 = 50;
const START_WAIT: Duration = Duration::from_millis(100);
/// The longest of these tries: longer than the waits for a connection and for another process.
const LONGEST_TRY: Duration = Duration::from_secs(15);

/// A transaction.
type Tx = SqliteSession;

/// An `SQLite` file. Clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct SqliteStore {
    path: Arc<Path>,
    writer: SqlitePool,
    readers: SqlitePool,
    gate: Gate,
}

impl SqliteStore {
    /// The file at `path`, with one connection that writes and `connections` that read, none of which is made
    /// yet. Nobody uses the tables before [`SqliteStore::migrate`], unless the gate is open.
    pub fn new(path: &Path, connections: u32, gate: Gate) -> Self {
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
        // Not `read_only`: a read-only connection cannot recover the log of a process that died.
        let reading = options.pragma("query_only", "ON");
        Self {
            path: path.into(),
            writer: pool(1).connect_lazy_with(writing),
            readers: pool(connections.max(1)).connect_lazy_with(reading),
            gate,
        }
    }

    /// Creates the file and its folder if there is none, and makes the first connections.
    pub async fn reach(&self) -> Result<()> {
        make_file(&self.path).map_err(sqlx::Error::Io)?;
        at_the_start(|| self.writer.acquire()).await?;
        self.readers.acquire().await?;
        Ok(())
    }

    /// Begins a transaction that writes. `IMMEDIATE`, because the first write of a transaction that began
    /// by reading fails at once, whatever the busy timeout, if another process wrote in between.
    pub(super) async fn begin(&self) -> Result<Tx> {
        self.gate.pass()?;
        let session = SqliteSession::open(&self.writer, Pooler::None).await?;
        Ok(session.begin("BEGIN IMMEDIATE").await?)
    }

    /// Begins a transaction that only reads: its first read takes the snapshot.
    pub(super) async fn begin_to_read(&self) -> Result<Tx> {
        Ok(self.read().await?.begin("BEGIN").await?)
    }

    /// A session that reads, outside of any transaction.
    pub(super) async fn read(&self) -> Result<SqliteSession> {
        self.gate.pass()?;
        Ok(SqliteSession::open(&self.readers, Pooler::None).await?)
    }

    pub(super) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Brings the tables up to date, and opens the gate. While another program does it, this one waits.
    pub(super) async fn migrate(&self) -> Result<()> {
        let store = self.clone();
        detach(async move {
            store.reach().await?;
            // sqlx has no lock for migrations of SQLite; this transaction is the lock.
            // sqlx's own transaction, because its migrator opens others within.
            let mut tx = at_the_start(|| store.writer.begin_with("BEGIN IMMEDIATE")).await?;
            // What `run` calls. The future of `run` itself on a connection is not `Send`.
            migrations::sqlite()
                .run_direct(None, &mut *tx, false)
                .await?;
            Ok(tx.commit().await?)
        })
        .await?;
        self.gate.open();
        Ok(())
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whether there are tables of ours, of any version.
    pub(super) async fn has_tables(&self) -> Result<bool> {
        let select = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = '_sqlx_migrations'";
        let has_tables = || sqlx::query_scalar(select).fetch_one(&self.readers);
        at_the_start(has_tables).await
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

/// Tries again while another process that starts at the same moment is in the way, each time for a bounded time.
async fn at_the_start<T, E, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    StoreError: From<E>,
    F: Future<Output = std::result::Result<T, E>>,
{
    let mut tries = 1;
    loop {
        let Ok(outcome) = timeout(LONGEST_TRY, attempt()).await else {
            return Err(StoreError::silent(LONGEST_TRY));
        };
        match outcome.map_err(StoreError::from) {
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
        let store = SqliteStore::new(&file, 1, Gate::new(false));
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
        let store = SqliteStore::new(path, 1, Gate::new(false));
        let error = store.migrate().await.expect_err("there is none");
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert!(!error.passes_at_a_start());
        assert!(store.begin().await.is_err(), "the gate is closed");
    }
}
