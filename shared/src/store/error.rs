//! How a call of the Store fails.

use std::io;
use std::time::Duration;

/// A call of the Store failed. Its transaction is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection became free within [`super::options::ACQUIRE_TIMEOUT`].
    #[error("no database connection became free in time")]
    Busy,
    /// The tables are not up to date yet.
    #[error("the database's tables are being brought up to date")]
    Starting,
    /// The database could not be reached, or the connection was lost. If a commit was under way, nobody
    /// knows its outcome. A retry is safe: what changes a task checks its turn.
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// Another transaction was in the way: a deadlock, or a lock not given in time. Retry.
    #[error("another transaction was in the way: {0}")]
    Contended(#[source] sqlx::Error),
    /// A row holds what the Store never writes.
    #[error("bad row: {table}.{column} of row {id} holds {held:?}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's number.
        id: i64,
        /// What the column holds.
        held: String,
    },
    /// The unit of work panicked: a bug.
    #[error("a unit of work panicked")]
    Died,
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Any other error of the database.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
}

impl StoreError {
    /// A unit of work had no answer for this time.
    pub(super) fn silent(longest: Duration) -> Self {
        let why = format!("no answer in {} s", longest.as_secs());
        Self::Unreachable(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            why,
        )))
    }

    /// Whether a retry a little later may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Starting | Self::Unreachable(_) | Self::Contended(_)
        )
    }

    /// Whether waiting mends it for a program that starts: a wrong password or name of the database, or a file
    /// that cannot be opened, is the operator's to mend.
    pub fn passes_at_a_start(&self) -> bool {
        match self {
            Self::Unreachable(sqlx::Error::Database(said)) => {
                let code = said.code();
                let code = code.as_deref().unwrap_or_default();
                let is_login = code.len() == 5 && code.starts_with("28");
                // invalid_catalog_name; CANTOPEN.
                !is_login && code != "3D000" && sqlite(code) != Some(14)
            }
            Self::Unreachable(sqlx::Error::Tls(_)) => false,
            Self::Unreachable(sqlx::Error::Io(why)) => !matches!(
                why.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
            ),
            other => other.is_passing(),
        }
    }

    /// A copy for another caller of the same batch: as passing or final as this error, with its text.
    #[must_use]
    pub fn alike(&self) -> Self {
        let words = || sqlx::Error::Protocol(self.to_string());
        match self {
            Self::Busy => Self::Busy,
            Self::Starting => Self::Starting,
            Self::Died => Self::Died,
            Self::Unreachable(_) => Self::Unreachable(words()),
            Self::Contended(_) => Self::Contended(words()),
            Self::BadRow { .. } | Self::Migration(_) | Self::Refused(_) => Self::Refused(words()),
        }
    }

    /// What is wrong with the database, in a word that anybody may see.
    pub fn state(&self) -> &'static str {
        let code = match self {
            Self::Unreachable(sqlx::Error::Database(said)) => said.code(),
            Self::Busy | Self::Contended(_) => return "busy",
            Self::Starting => return "starting",
            Self::Unreachable(_) => None,
            _ => return "broken",
        };
        let code = code.as_deref().unwrap_or_default();
        match (code, sqlite(code)) {
            ("25006", _) | (_, Some(8)) => "read-only",
            ("53100", _) | (_, Some(13)) => "full",
            ("53300", _) => "too many connections",
            _ if code.len() == 5 && code.starts_with("28") => "login refused",
            _ => "unreachable",
        }
    }

    /// The text for an operator: what to look at, without statements and stacks. Clients must not see
    /// this text: it may name the database's host or user.
    pub fn in_plain_words(&self) -> String {
        use sqlx::migrate::MigrateError;
        match self {
            Self::Unreachable(sqlx::Error::Io(why)) => {
                format!("the database cannot be reached: {why}")
            }
            Self::Contended(_) => "the database is busy with others; try again".to_owned(),
            Self::Unreachable(sqlx::Error::Database(said)) => {
                format!("the database cannot be reached: {}", said.message())
            }
            Self::Refused(sqlx::Error::Database(said)) => {
                format!("the database refused: {}", said.message())
            }
            Self::Migration(MigrateError::VersionMissing(number)) => format!(
                "the database's tables are newer than this program: it does not know their step {number}"
            ),
            Self::Migration(MigrateError::VersionMismatch(number)) => {
                format!("the database's tables are not ours: their step {number} is another one")
            }
            other => other.to_string(),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        let (failed, number) = match error {
            MigrateError::Execute(why) => (why.into(), None),
            MigrateError::ExecuteMigration(why, number) => (why.into(), Some(number)),
            other => return Self::Migration(other),
        };
        match (failed, number) {
            (Self::Refused(why), None) => Self::Migration(MigrateError::Execute(why)),
            (Self::Refused(why), Some(number)) => {
                Self::Migration(MigrateError::ExecuteMigration(why, number))
            }
            // The server, and not the step.
            (failed, _) => failed,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::PoolTimedOut => Self::Busy,
            // A connection that ends in the middle of a message, or is in another state than we left it
            // in: another connection will do.
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::BeginFailed
            | Error::PoolClosed
            | Error::WorkerCrashed => Self::Unreachable(error),
            Error::Database(said) => match kind(said.code().as_deref().unwrap_or_default()) {
                Kind::Contention => Self::Contended(error),
                Kind::Outage => Self::Unreachable(error),
                Kind::Refusal => Self::Refused(error),
            },
            _ => Self::Refused(error),
        }
    }
}

enum Kind {
    Contention,
    Outage,
    Refusal,
}

/// What an error code means. Codes of five characters are `PostgreSQL`'s, numbers are `SQLite`'s.
fn kind(code: &str) -> Kind {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available.
        "40001" | "40P01" | "55P03" => Kind::Contention,
        // insufficient_privilege: an operator is about to grant it.
        "42501" => Kind::Outage,
        // The classes that speak of the statement: not supported, cardinality, data, integrity, routines,
        // syntax and names, check option, PL/pgSQL. All others speak of the server: connections, logins, a
        // standby that is read-only, resources, an operator's intervention.
        code if code.len() == 5 => match code.get(..2) {
            Some("0A" | "21" | "22" | "23" | "2F" | "38" | "39" | "42" | "44" | "P0") => {
                Kind::Refusal
            }
            _ => Kind::Outage,
        },
        code => match sqlite(code) {
            // BUSY, LOCKED.
            Some(5 | 6) => Kind::Contention,
            // PERM, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
            Some(3 | 7 | 8 | 10 | 13 | 14 | 15) => Kind::Outage,
            _ => Kind::Refusal,
        },
    }
}

/// The primary code of an error of `SQLite`: the low byte.
fn sqlite(code: &str) -> Option<i64> {
    let code = (code.len() < 5).then(|| code.parse::<i64>().ok()).flatten();
    code.map(|code| code & 0xff)
}

#[cfg(test)]
mod tests {
    use sqlx::migrate::MigrateError;

    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for outage in [
            "08006", "53100", "53300", "57P01", "58030", "25P03", "25006", "28P01", "28000",
            "3D000", "42501", "55000", "10", "13", "266", "8", "1032",
        ] {
            assert!(matches!(kind(outage), Kind::Outage), "{outage}");
        }
        for contention in ["40P01", "55P03", "5", "261", "517", "773"] {
            assert!(matches!(kind(contention), Kind::Contention), "{contention}");
        }
        for refusal in ["23505", "22003", "42P01", "19", "2067", ""] {
            assert!(matches!(kind(refusal), Kind::Refusal), "{refusal}");
        }
    }

    #[test]
    fn a_connection_that_ends_in_the_middle_of_a_word_is_an_outage() {
        let cut = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned());
        for error in [cut, sqlx::Error::BeginFailed] {
            assert!(StoreError::from(error).is_passing());
        }
    }

    #[test]
    fn an_operator_is_told_what_to_look_at() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        for (error, words) in [
            (
                StoreError::from(sqlx::Error::Io(refused)),
                "cannot be reached: connection refused",
            ),
            (
                StoreError::Contended(sqlx::Error::RowNotFound),
                "is busy with others; try again",
            ),
            (
                MigrateError::VersionMissing(7).into(),
                "newer than this program: it does not know their step 7",
            ),
            (
                MigrateError::VersionMismatch(1).into(),
                "not ours: their step 1 is another one",
            ),
        ] {
            let said = error.in_plain_words();
            let is_said = said.starts_with("the database") && said.ends_with(words);
            assert!(is_said, "{said}");
        }
    }
}
