//! A worker that dies in the middle of a poll. A poll may be asked again: every task succeeds.

use super::dies::{Gap, Wire, dies};
use super::words;
use crate::run::Scenario;

const GAP: Gap = Gap {
    title: "Rain",
    wire: Wire::Upstream,
    words: || vec![words::fetch()],
    succeeds: true,
    upstream: (1, 1),
    stale: None,
};

/// Nothing was asked, and nothing written.
pub const BEFORE_THE_FETCH: Scenario = Scenario {
    name: "poller-dies-before-the-fetch",
    about: "A worker is killed before the call of a poll reaches the upstream. Its message comes to \
            another, who polls, and the task succeeds.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(dies(run, &GAP)),
};

/// The end was told to somebody who is dead.
pub const AFTER_THE_FETCH: Scenario = Scenario {
    name: "poller-dies-after-the-fetch",
    about: "The upstream says that a song is done; the worker is killed before the answer reaches it. \
            Its message comes to another, who polls, and the task succeeds.",
    harsh: false,
    lasts: None,
    body: |run| {
        const AFTER: Gap = Gap {
            words: || vec![words::fetch(), words::answered()],
            ..GAP
        };
        Box::pin(dies(run, &AFTER))
    },
};

/// The end is known, and not written down.
pub const BEFORE_THE_COMMIT: Scenario = Scenario {
    name: "poller-dies-before-the-commit",
    about: "A worker is killed before the commit of a SUCCESS reaches the database: the task is still \
            unfinished. Its message comes to another, who polls, and it succeeds.",
    harsh: false,
    lasts: None,
    body: |run| {
        const BEFORE: Gap = Gap {
            wire: Wire::Database,
            words: || vec![words::end(), words::commit()],
            ..GAP
        };
        Box::pin(dies(run, &BEFORE))
    },
};

/// The task has ended, and its message is there still.
pub const IN_THE_COMMIT: Scenario = Scenario {
    name: "poller-dies-in-the-commit",
    about: "A SUCCESS is committed, and the worker is killed before it hears so: its poll is delivered \
            again, for a task that has ended, and nothing is done.",
    harsh: false,
    lasts: None,
    body: |run| {
        const IN: Gap = Gap {
            wire: Wire::Database,
            words: || vec![words::end(), words::commit(), words::committed()],
            stale: Some("poll"),
            ..GAP
        };
        Box::pin(dies(run, &IN))
    },
};

/// The news are written down, and nobody is told to poll again.
pub const BEFORE_THE_NEXT: Scenario = Scenario {
    name: "poller-dies-before-the-next-poll",
    about: "A worker is killed after it wrote down that a song is not done and before the next poll \
            reaches the broker. The sweep publishes it, and the task succeeds.",
    harsh: false,
    lasts: None,
    body: |run| {
        const BEFORE: Gap = Gap {
            // It is not done at its first poll.
            title: "Rain sim:takes=8s",
            wire: Wire::Broker,
            words: || vec![words::poll_published(), words::poll_published()],
            stale: Some("poll"),
            ..GAP
        };
        Box::pin(dies(run, &BEFORE))
    },
};

/// The task has ended, and the broker was not told.
pub const BEFORE_THE_ACK: Scenario = Scenario {
    name: "poller-dies-before-the-ack",
    about: "A worker is killed before its acknowledgement of the last poll reaches the broker: it is \
            delivered again, for a task that has ended, and nothing is done.",
    harsh: false,
    lasts: None,
    body: |run| {
        const BEFORE: Gap = Gap {
            wire: Wire::Broker,
            // Not one before the last: that could come again together with the next, as one batch.
            words: || vec![words::poll_delivered(), words::acknowledge()],
            stale: Some("poll"),
            ..GAP
        };
        Box::pin(dies(run, &BEFORE))
    },
};
