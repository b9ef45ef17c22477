//! What can go wrong between us and the database.

/// The database did not do what it was asked. Nothing that belongs together was done in part.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Every connection was in use for too long.
    #[error("no database connection became free in time")]
    Busy,
    /// The database could not be reached, or went away. Of a commit under way the outcome is not
    /// known; what changes tasks checks the turn, so doing it again is safe.
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// Another transaction was in the way (a deadlock, a lock not given in time). Do it again.
    #[error("another transaction was in the way: {0}")]
    Contended(#[source] sqlx::Error),
    /// A row holds what we would never have written.
    #[error("bad row: {table}.{column} of row {id} holds {held:?}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's number.
        id: i64,
        /// What it holds.
        held: String,
    },
    /// The unit of work died; a bug.
    #[error("a unit of work panicked")]
    Died,
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Anything else the database said.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same thing may succeed if done again a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Unreachable(_) | Self::Contended(_))
    }

    /// One for each of those who waited for the same: as passing or final as this, in its words.
    #[must_use]
    pub fn alike(&self) -> Self {
        let words = || sqlx::Error::Protocol(self.to_string());
        match self {
            Self::Busy => Self::Busy,
            Self::Died => Self::Died,
            Self::Unreachable(_) => Self::Unreachable(words()),
            Self::Contended(_) => Self::Contended(words()),
            Self::BadRow { .. } | Self::Migration(_) | Self::Refused(_) => Self::Refused(words()),
        }
    }

    /// What an operator is told: what to look at, without statements and stacks. For clients it is
    /// too much: it may name the database's host or user.
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::PoolTimedOut => Self::Busy,
            // A connection that ends in the middle of a word, or is not in the state that we left it in,
            // is the connection's fault: another one will do.
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

/// What a code of the database means: five characters are of Postgres, numbers of `SQLite`.
fn kind(code: &str) -> Kind {
    match code {
        // Serialization failure, deadlock, lock not given in time.
        "40001" | "40P01" | "55P03" => Kind::Contention,
        // Read only (a standby that was not promoted yet), transaction timed out by our own setting.
        "25006" | "25P03" => Kind::Outage,
        // Connection, resources (disk full, too many connections), shutdown or cancelled, I/O.
        code if code.len() == 5 && ["08", "53", "57", "58"].contains(&&code[..2]) => Kind::Outage,
        code if code.len() == 5 => Kind::Refusal,
        // The low byte is the primary code; the rest says more.
        code => match code.parse::<i64>().map(|code| code & 0xff) {
            // BUSY, LOCKED.
            Ok(5 | 6) => Kind::Contention,
            // IOERR, FULL, CANTOPEN, PROTOCOL.
            Ok(10 | 13 | 14 | 15) => Kind::Outage,
            _ => Kind::Refusal,
        },
    }
}

#[cfg(test)]
mod tests {
    use sqlx::migrate::MigrateError;

    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for outage in [
            "08006", "53100", "53300", "57P01", "58030", "25P03", "10", "13", "266",
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
            assert!(
                said.starts_with("the database") && said.ends_with(words),
                "{said}"
            );
        }
    }
}
