//! The database's URL: `DATABASE_URL`.

use std::fmt;
use std::path::PathBuf;

/// The database's URL. `Debug` prints no password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://…`; may hold a password.
    Postgres(String),
    /// The path of an `SQLite` file.
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// `None`: `text` is not a database's URL.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            text.parse::<sqlx::postgres::PgConnectOptions>().ok()?;
            return Some(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        // Parameters would become part of the file's name, and a database in memory would be a new
        // one for each connection.
        let is_file = !path.is_empty() && !path.contains('?') && path != ":memory:";
        is_file.then(|| Self::Sqlite(path.into()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("postgres://…"),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_told_apart() {
        let sqlite = DatabaseUrl::parse("sqlite://data/task-center.db");
        let file = DatabaseUrl::Sqlite("data/task-center.db".into());
        assert_eq!(sqlite, Some(file));
        let postgres = DatabaseUrl::parse("postgres://u:p@h/db");
        assert!(matches!(postgres, Some(DatabaseUrl::Postgres(_))));
    }

    #[test]
    fn what_is_no_file_and_no_server_is_refused() {
        for text in [
            "",
            "mysql://h/db",
            "sqlite://",
            "data.db",
            "sqlite::memory:",
            "sqlite://data.db?mode=rwc",
        ] {
            assert_eq!(DatabaseUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_password_does_not_print() {
        let url = DatabaseUrl::parse("postgres://u:hunter2@h/db").expect("it is a URL");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
