//! How full the pools of database connections are.

use sqlx::Pool;

use super::Store;
use super::session;
use super::sql::Database;

/// A pool of connections, at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// `all`; of `SQLite`, which has one writer, `write` and `read`.
    pub name: &'static str,
    /// The most connections that it may have.
    pub limit: u32,
    /// Connections that work.
    pub busy: u32,
    /// Connections that wait for work.
    pub idle: u32,
}

impl PoolUse {
    fn of<DB: sqlx::Database>(name: &'static str, pool: &Pool<DB>) -> Self {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        Self {
            name,
            limit: pool.options().get_max_connections(),
            // The two numbers are not of one moment.
            busy: pool.size().saturating_sub(idle),
            idle,
        }
    }
}

impl Store {
    /// How full the pools of this process are.
    pub fn pools(&self) -> Vec<PoolUse> {
        match &self.database {
            Database::Postgres(store) => vec![PoolUse::of("all", store.pool())],
            Database::Sqlite(store) => vec![
                PoolUse::of("write", store.writer()),
                PoolUse::of("read", store.readers()),
            ],
        }
    }

    /// How many units of work of this process wait for a connection.
    pub fn waiting_for_connections() -> u64 {
        session::waiting()
    }
}
