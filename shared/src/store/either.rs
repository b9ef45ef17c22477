//! One call for two databases.

/// Calls a method that both databases have under one name.
macro_rules! either {
    ($database:expr, $store:ident => $call:expr) => {
        match $database {
            crate::store::sql::Database::Postgres($store) => $call,
            crate::store::sql::Database::Sqlite($store) => $call,
        }
    };
}

pub(super) use either;
