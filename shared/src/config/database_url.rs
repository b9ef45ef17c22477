//! The database's URL: `DATABASE_URL`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The database's URL. `Debug` prints no password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://…`; may hold a password.
    Postgres(String),
    /// The path of an `SQLite` file.
    Sqlite(PathBuf),
}

impl FromStr for DatabaseUrl {
    type Err = NotADatabase;

    fn from_str(text: &str) -> Result<Self, NotADatabase> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            text.parse::<sqlx::postgres::PgConnectOptions>()
                .map_err(|_| NotADatabase)?;
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = text
            .strip_prefix("sqlite://")
            .or_else(|| text.strip_prefix("sqlite:"))
            .unwrap_or_default();
        // Parameters would become part of the file's name, and a database in memory would be a new
        // one for each connection.
        if path.is_empty() || path.contains('?') || path == ":memory:" {
            return Err(NotADatabase);
        }
        Ok(Self::Sqlite(path.into()))
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

/// The text is not a database's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a database is `postgres://user:password@host:port/name` or the file `sqlite://path` (without parameters)"
)]
pub struct NotADatabase;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_told_apart() {
        let sqlite = "sqlite://data/task-center.db".parse();
        assert_eq!(
            sqlite,
            Ok(DatabaseUrl::Sqlite("data/task-center.db".into()))
        );
        assert!(matches!(
            "postgres://u:p@h/db".parse(),
            Ok(DatabaseUrl::Postgres(_))
        ));
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
            assert_eq!(text.parse::<DatabaseUrl>(), Err(NotADatabase), "{text}");
        }
    }

    #[test]
    fn a_password_does_not_print() {
        let url: DatabaseUrl = "postgres://u:hunter2@h/db".parse().expect("it is a URL");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
