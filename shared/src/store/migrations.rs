//! The migrations, built into the program. `migrations/postgres` and `migrations/sqlite` have the same
//! numbers.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name, statements.
type Source = (i64, &'static str, &'static str);

/// The migrations of a folder.
macro_rules! sources {
    ($folder:literal) => {{
        macro_rules! file {
            ($name:literal) => {
                include_str!(concat!("../../../migrations/", $folder, "/", $name))
            };
        }
        &[
            (1, "tables", file!("0001_tables.sql")),
            (2, "counts", file!("0002_counts.sql")),
            (3, "sweep", file!("0003_sweep.sql")),
            (4, "history", file!("0004_history.sql")),
            (5, "actions", file!("0005_actions.sql")),
            // One table each: a transaction that locks a second table can deadlock with the programs that run.
            (6, "clips_table", file!("0006_clips_table.sql")),
            (7, "clips", file!("0007_clips.sql")),
            (8, "key_expiry", file!("0008_key_expiry.sql")),
            (9, "idempotent_channels", file!("0009_idempotent_channels.sql")),
            (10, "sent_to", file!("0010_sent_to.sql")),
            (11, "meaning", file!("0011_meaning.sql")),
            (12, "write_check", file!("0012_write_check.sql")),
            (13, "limits_of_users", file!("0013_limits_of_users.sql")),
            (14, "limits_of_keys", file!("0014_limits_of_keys.sql")),
            (15, "channels_by_hand", file!("0015_channels_by_hand.sql")),
            (16, "flow", file!("0016_flow.sql")),
            (17, "lines", file!("0017_lines.sql")),
            (18, "limits_change", file!("0018_limits_change.sql")),
            (19, "key_limits_change", file!("0019_key_limits_change.sql")),
            (20, "whom_rests_are_for", file!("0020_whom_rests_are_for.sql")),
            (21, "recent_users", file!("0021_recent_users.sql")),
            (22, "accepted_at", file!("0022_accepted_at.sql")),
            (23, "durations", file!("0023_durations.sql")),
            (24, "call_bounds", file!("0024_call_bounds.sql")),
            (25, "dialects", file!("0025_dialects.sql")),
            (26, "model prices", file!("0026_model_prices.sql")),
            (27, "own limits", file!("0027_own_limits.sql")),
        ]
    }};
}

const POSTGRES: &[Source] = sources!("postgres");
const SQLITE: &[Source] = sources!("sqlite");

/// The migrations for Postgres.
pub(super) fn postgres() -> Migrator {
    migrator(POSTGRES)
}

/// The migrations for `SQLite`.
pub(super) fn sqlite() -> Migrator {
    migrator(SQLITE)
}

fn migrator(sources: &'static [Source]) -> Migrator {
    let migrations = sources.iter().map(|&(number, what, sql)| {
        let (what, sql) = (Cow::Borrowed(what), sql.into_sql_str());
        Migration::new(number, what, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_dialects_have_the_same_numbers() {
        let numbers = |sources: &[Source]| sources.iter().map(|s| s.0).collect::<Vec<_>>();
        assert_eq!(numbers(POSTGRES), numbers(SQLITE));
    }

    #[test]
    fn a_migration_locks_one_table_that_running_programs_write() {
        for (number, what, sql) in POSTGRES.iter().filter(|source| source.0 > 5) {
            let statements = sql.lines().filter(|line| !line.starts_with("--"));
            let words: Vec<&str> = statements.flat_map(str::split_whitespace).collect();
            let locked = words.windows(3).filter_map(|words| match words {
                ["ALTER", "TABLE", table] | ["DELETE", "ON", table] => Some(*table),
                _ => None,
            });
            let locked: BTreeSet<&str> = locked.collect();
            assert!(locked.len() <= 1, "{number} {what} locks {locked:?}");
        }
    }
}
