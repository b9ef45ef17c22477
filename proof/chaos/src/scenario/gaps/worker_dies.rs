//! A worker that dies in the middle of a submit.

use super::dies::{Gap, Wire, dies};
use super::words;
use crate::run::Scenario;

/// The intention is written down, and nothing was sent.
pub const BEFORE_THE_CALL: Scenario = Scenario {
    name: "worker-dies-before-the-call",
    about: "A worker claims a submit and is killed before its call reaches the upstream. Nobody knows \
            that it did not: the task fails, refunded, and is not sent.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Upstream,
            words: || vec![words::submit()],
            succeeds: false,
            upstream: (0, 0),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};

/// The upstream accepted, and the worker never heard it.
pub const AFTER_THE_CALL: Scenario = Scenario {
    name: "worker-dies-after-the-call",
    about: "The upstream accepts a submit; the worker is killed before the answer reaches it. The task \
            fails, refunded, and is not sent again.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Upstream,
            words: || vec![words::submit(), words::answered()],
            succeeds: false,
            upstream: (1, 1),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};

/// The worker knows the outcome, and nobody else will.
pub const BEFORE_THE_COMMIT: Scenario = Scenario {
    name: "worker-dies-before-the-commit",
    about: "A worker is killed before the commit of \"accepted\" reaches the database. The task fails, \
            refunded, and is not sent again.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Database,
            words: || words::accepting().to_vec(),
            succeeds: false,
            upstream: (1, 1),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};

/// The outcome is written down, and its worker never heard that it is.
pub const IN_THE_COMMIT: Scenario = Scenario {
    name: "worker-dies-in-the-commit",
    about: "\"Accepted\" is committed, and the worker is killed before it hears so: before it can \
            publish the first poll. The sweep does, and the task succeeds.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Database,
            words: || [&words::accepting()[..], &[words::one_row()]].concat(),
            succeeds: true,
            upstream: (1, 1),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};

/// The outcome is written down, and nobody is told to go on.
pub const BEFORE_THE_PUBLISH: Scenario = Scenario {
    name: "worker-dies-before-the-publish",
    about: "A worker is killed after it committed \"accepted\" and before the first poll reaches the \
            broker. The sweep publishes it, and the task succeeds.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Broker,
            words: || vec![words::poll_published()],
            succeeds: true,
            upstream: (1, 1),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};

/// The broker has the next message and the one before.
pub const AFTER_THE_PUBLISH: Scenario = Scenario {
    name: "worker-dies-after-the-publish",
    about: "A worker is killed after the broker took the first poll and before it says so: the submit \
            is delivered again, for a turn that is gone. The task succeeds, sent once.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Broker,
            words: || vec![words::poll_published(), words::confirmed()],
            succeeds: true,
            upstream: (1, 1),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};

/// All is done but the last word.
pub const BEFORE_THE_ACK: Scenario = Scenario {
    name: "worker-dies-before-the-ack",
    about: "A worker is killed before its acknowledgement of a submit reaches the broker: it is \
            delivered again, for a turn that is gone. The task succeeds, sent once.",
    harsh: false,
    lasts: None,
    body: |run| {
        const GAP: Gap = Gap {
            title: "Rain",
            wire: Wire::Broker,
            words: || vec![words::submit_delivered(), words::acknowledge()],
            succeeds: true,
            upstream: (1, 1),
            stale: Some("submit"),
        };
        Box::pin(dies(run, &GAP))
    },
};
