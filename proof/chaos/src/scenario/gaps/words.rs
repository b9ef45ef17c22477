//! The words by which the proxies know a moment. `PostgreSQL` is told a statement's text once a
//! connection, so the moment is one on a connection that has not done it before.

use crate::proxy::gate::Words;

/// The API writes a task down.
pub fn store() -> Words {
    Words::up("INSERT INTO unfinished_tasks (id, due_at")
}

/// A worker claims a submit.
pub fn claim_submit() -> Words {
    Words::up("SET turn = x.turn + 1, stage = 'sending'")
}

/// A worker writes down that a submit was accepted.
pub fn accept() -> Words {
    Words::up("SET turn = u.turn + 1, stage = 'poll'")
}

/// It does so with a statement that stands by itself: it is read, and is to be executed.
pub fn accepting() -> [Words; 3] {
    [accept(), parsed(), execute()]
}

/// A worker ends a task.
pub fn end() -> Words {
    Words::up("DELETE FROM unfinished_tasks u")
}

/// A transaction is to begin.
pub fn begin() -> Words {
    Words::up("BEGIN\0")
}

/// It has begun.
pub fn begun() -> Words {
    Words::down("BEGIN\0")
}

/// It is to be committed.
pub fn commit() -> Words {
    Words::up("COMMIT\0")
}

/// It is committed.
pub fn committed() -> Words {
    Words::down("COMMIT\0")
}

/// The server has read the statement (`ParseComplete`).
pub fn parsed() -> Words {
    Words::down([b'1', 0, 0, 0, 4])
}

/// After that: it is to be executed.
pub fn execute() -> Words {
    Words::up("sqlx_s_")
}

/// It gave one row, and is committed, if it stands by itself.
pub fn one_row() -> Words {
    Words::down("SELECT 1\0")
}

/// A submit goes to the upstream.
pub fn submit() -> Words {
    Words::up("/suno/submit/")
}

/// A fetch goes to the upstream.
pub fn fetch() -> Words {
    Words::up("/suno/fetch")
}

/// The upstream, or the API, answers 200.
pub fn answered() -> Words {
    Words::down("HTTP/1.1 200")
}

/// The broker gives a worker a submit.
pub fn submit_delivered() -> Words {
    Words::down(r#""submit":{"#)
}

/// The broker gives a worker polls.
pub fn poll_delivered() -> Words {
    Words::down(r#""poll":{"#)
}

/// A worker publishes polls.
pub fn poll_published() -> Words {
    Words::up(r#""poll":{"#)
}

/// The broker confirms what was published (`basic.ack`).
pub fn confirmed() -> Words {
    Words::down([0, 60, 0, 80])
}

/// A worker acknowledges what it was given (`basic.ack`).
pub fn acknowledge() -> Words {
    Words::up([0, 60, 0, 80])
}
