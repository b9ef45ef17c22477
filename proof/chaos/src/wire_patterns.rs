//! Byte patterns that let a proxy recognise a step on the wire.
//!
//! `PostgreSQL` gets the text of a statement once per connection. So a pattern of a statement matches
//! the first time that a connection executes the statement, and never again on that connection.

use harness::proxy::gate::Pattern;

/// Part of a statement of the store on `PostgreSQL`.
const fn statement(sql: &'static str) -> Pattern {
    Pattern::to_server(sql.as_bytes())
}

/// An API stores tasks: `WITH … INSERT INTO tasks … INSERT INTO unfinished_tasks …`.
pub const STORE: Pattern = statement("INSERT INTO unfinished_tasks (id, due_at");
/// A worker claims submits before it calls the upstream:
/// `WITH claimed AS (UPDATE unfinished_tasks … SET turn = …, stage = 'sending' …`.
pub const CLAIM: Pattern = statement("SET turn = u.turn + 1, stage = 'sending'");
/// A worker records that the upstream accepted submits:
/// `WITH polling AS (UPDATE unfinished_tasks … SET turn = …, stage = 'poll' …`.
pub const ACCEPT: Pattern = statement("SET turn = u.turn + 1, stage = 'poll'");
/// A worker ends tasks: `WITH taken AS (DELETE FROM unfinished_tasks …) … UPDATE tasks …`.
pub const END: Pattern = statement("DELETE FROM unfinished_tasks u");

pub const BEGIN: Pattern = Pattern::to_server(b"BEGIN\0");
/// `PostgreSQL` answers that the transaction has begun.
pub const BEGUN: Pattern = Pattern::from_server(b"BEGIN\0");
pub const COMMIT: Pattern = Pattern::to_server(b"COMMIT\0");
/// `PostgreSQL` answers that the transaction is committed.
pub const COMMITTED: Pattern = Pattern::from_server(b"COMMIT\0");
/// `PostgreSQL` has parsed a statement (`ParseComplete`).
pub const PARSED: Pattern = Pattern::from_server(&[b'1', 0, 0, 0, 4]);
/// The parsed statement is to be executed, by the name that sqlx gave it.
pub const EXECUTE: Pattern = Pattern::to_server(b"sqlx_s_");
/// The statement returned one row. Outside a transaction it is committed, too.
pub const ONE_ROW: Pattern = Pattern::from_server(b"SELECT 1\0");

/// A submit, from a worker to an upstream or from a client to an API.
pub const SUBMIT: Pattern = Pattern::to_server(b"/suno/submit/");
pub const FETCH: Pattern = Pattern::to_server(b"/suno/fetch");
pub const OK: Pattern = Pattern::from_server(b"HTTP/1.1 200");

pub const SUBMIT_DELIVERED: Pattern = Pattern::from_server(br#""submit":{"#);
pub const POLL_DELIVERED: Pattern = Pattern::from_server(br#""poll":{"#);
pub const POLL_PUBLISHED: Pattern = Pattern::to_server(br#""poll":{"#);
/// The broker confirms a publish (`basic.ack`).
pub const CONFIRMED: Pattern = Pattern::from_server(&[0, 60, 0, 80]);
/// A worker acknowledges a delivery (`basic.ack`).
pub const ACKNOWLEDGE: Pattern = Pattern::to_server(&[0, 60, 0, 80]);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The text of all Rust files below a folder, without comments.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                all.push_str(&sources(&path));
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source is a text");
                let code = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                code.for_each(|line| all.extend([line, "\n"]));
            }
        }
        all
    }

    #[test]
    fn each_pattern_occurs_in_the_product() {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/src");
        // A scenario on the wire uses PostgreSQL: a statement of SQLite does not count.
        let store = sources(&shared.join("store"));
        let sqlite = sources(&shared.join("store/sqlite"));
        let broker = sources(&shared.join("broker"));
        let upstream = sources(&shared.join("../../upstream/src"));
        let count = |text: &str, pattern: Pattern| {
            let pattern = std::str::from_utf8(pattern.bytes()).expect("a statement is a text");
            text.matches(pattern).count()
        };
        for pattern in [STORE, CLAIM, ACCEPT, END] {
            let found = count(&store, pattern) - count(&sqlite, pattern);
            assert!(found > 0, "no statement of PostgreSQL has {pattern:?}");
        }
        for (source, patterns) in [
            (broker, [SUBMIT_DELIVERED, POLL_DELIVERED, POLL_PUBLISHED]),
            (upstream, [SUBMIT, FETCH, FETCH]),
        ] {
            for pattern in patterns {
                assert!(count(&source, pattern) > 0, "no source has {pattern:?}");
            }
        }
    }
}
