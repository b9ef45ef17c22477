//! The words by which the proxies know a moment. `PostgreSQL` is told a statement's text once a
//! connection, so the moment is one on a connection that has not done it before.

use harness::proxy::gate::Pattern;

/// The API writes a task down.
pub fn store() -> Pattern {
    Pattern::to_server("INSERT INTO unfinished_tasks (id, due_at")
}

/// A worker claims a submit.
pub fn claim_submit() -> Pattern {
    Pattern::to_server("SET turn = x.turn + 1, stage = 'sending'")
}

/// A worker writes down that a submit was accepted.
pub fn accept() -> Pattern {
    Pattern::to_server("SET turn = u.turn + 1, stage = 'poll'")
}

/// It does so with a statement that stands by itself: it is read, and is to be executed.
pub fn accepting() -> [Pattern; 3] {
    [accept(), parsed(), execute()]
}

/// A worker ends a task.
pub fn end() -> Pattern {
    Pattern::to_server("DELETE FROM unfinished_tasks u")
}

/// A transaction is to begin.
pub fn begin() -> Pattern {
    Pattern::to_server("BEGIN\0")
}

/// It has begun.
pub fn begun() -> Pattern {
    Pattern::from_server("BEGIN\0")
}

/// It is to be committed.
pub fn commit() -> Pattern {
    Pattern::to_server("COMMIT\0")
}

/// It is committed.
pub fn committed() -> Pattern {
    Pattern::from_server("COMMIT\0")
}

/// The server has read the statement (`ParseComplete`).
pub fn parsed() -> Pattern {
    Pattern::from_server([b'1', 0, 0, 0, 4])
}

/// After that: it is to be executed.
pub fn execute() -> Pattern {
    Pattern::to_server("sqlx_s_")
}

/// It gave one row, and is committed, if it stands by itself.
pub fn one_row() -> Pattern {
    Pattern::from_server("SELECT 1\0")
}

/// A submit goes to the upstream.
pub fn submit() -> Pattern {
    Pattern::to_server("/suno/submit/")
}

/// A fetch goes to the upstream.
pub fn fetch() -> Pattern {
    Pattern::to_server("/suno/fetch")
}

/// The upstream, or the API, answers 200.
pub fn answered() -> Pattern {
    Pattern::from_server("HTTP/1.1 200")
}

/// The broker gives a worker a submit.
pub fn submit_delivered() -> Pattern {
    Pattern::from_server(r#""submit":{"#)
}

/// The broker gives a worker polls.
pub fn poll_delivered() -> Pattern {
    Pattern::from_server(r#""poll":{"#)
}

/// A worker publishes polls.
pub fn poll_published() -> Pattern {
    Pattern::to_server(r#""poll":{"#)
}

/// The broker confirms what was published (`basic.ack`).
pub fn confirmed() -> Pattern {
    Pattern::from_server([0, 60, 0, 80])
}

/// A worker acknowledges what it was given (`basic.ack`).
pub fn acknowledge() -> Pattern {
    Pattern::to_server([0, 60, 0, 80])
}
