//! A worker is killed at one step of its work on one song, and started again. A poll may be repeated,
//! so the song succeeds; a submit may not.

use super::{ends, setup};
use crate::scenario::prelude::*;
use Wire::{Broker, Database, Upstream};

/// The worker's connection to this system.
#[derive(Clone, Copy)]
enum Wire {
    Upstream,
    Database,
    Broker,
}

/// A step, and what must come of a crash in it.
struct CrashPoint {
    name: &'static str,
    about: &'static str,
    wire: Wire,
    /// The last of these never arrives.
    patterns: &'static [Pattern],
    expected: Expected,
}

#[derive(Clone, Copy)]
struct Expected {
    title: &'static str,
    succeeds: bool,
    /// How many submits the upstream got and accepted.
    submits: (u64, u64),
    /// Whose message is delivered again for a turn that is over.
    stale: Option<&'static str>,
}

/// The crash of a submit before anybody else knows the outcome.
const UNKNOWN: Expected = Expected {
    title: "Rain",
    succeeds: false,
    submits: (1, 1),
    stale: None,
};
/// The crash of a submit once the outcome is committed.
const ACCEPTED: Expected = Expected {
    succeeds: true,
    ..UNKNOWN
};
/// The crash of a poll before its outcome is committed.
const POLLED: Expected = ACCEPTED;
/// The crash of a poll once its outcome is committed.
const POLL_RECORDED: Expected = Expected {
    stale: Some("poll"),
    ..POLLED
};

static CRASH_POINTS: [CrashPoint; 13] = [
    CrashPoint {
        name: "worker-dies-before-the-call",
        about: "A worker claims a submit and is killed before its call reaches the upstream. Nobody \
                knows that the call did not arrive: the task fails, refunded, and is not sent again.",
        wire: Upstream,
        patterns: &[SUBMIT],
        expected: Expected {
            submits: (0, 0),
            ..UNKNOWN
        },
    },
    CrashPoint {
        name: "worker-dies-after-the-call",
        about: "The upstream accepts a submit, and the worker is killed before the answer arrives. The \
                task fails, refunded, and is not sent again.",
        wire: Upstream,
        patterns: &[SUBMIT, OK],
        expected: UNKNOWN,
    },
    CrashPoint {
        name: "worker-dies-before-the-commit",
        about: "A worker is killed before its commit of \"accepted\" reaches the database. The task \
                fails, refunded, and is not sent again.",
        wire: Database,
        patterns: &[ACCEPT, PARSED, EXECUTE],
        expected: UNKNOWN,
    },
    CrashPoint {
        name: "poller-dies-before-the-fetch",
        about: "A worker is killed before the call of a poll reaches the upstream. The message is \
                delivered again, and the task succeeds.",
        wire: Upstream,
        patterns: &[FETCH],
        expected: POLLED,
    },
    CrashPoint {
        name: "poller-dies-after-the-fetch",
        about: "The upstream reports that a song is done, and the worker is killed before the answer \
                arrives. The message is delivered again, and the task succeeds.",
        wire: Upstream,
        patterns: &[FETCH, OK],
        expected: POLLED,
    },
    CrashPoint {
        name: "poller-dies-before-the-commit",
        about: "A worker is killed before its commit of a SUCCESS reaches the database: the task is \
                unfinished. The message is delivered again, and the task succeeds.",
        wire: Database,
        patterns: &[END, COMMIT],
        expected: POLLED,
    },
    CrashPoint {
        name: "worker-dies-in-the-commit",
        about: "\"Accepted\" is committed, and the worker is killed before it knows, and before it can \
                publish the first poll. The sweep publishes the poll, and the task succeeds.",
        wire: Database,
        patterns: &[ACCEPT, PARSED, EXECUTE, ONE_ROW],
        expected: ACCEPTED,
    },
    CrashPoint {
        name: "worker-dies-before-the-publish",
        about: "A worker is killed after it committed \"accepted\" and before the first poll reaches \
                the broker. The sweep publishes the poll, and the task succeeds.",
        wire: Broker,
        patterns: &[POLL_PUBLISHED],
        expected: ACCEPTED,
    },
    CrashPoint {
        name: "worker-dies-after-the-publish",
        about: "A worker is killed after the broker took the first poll and before the confirm arrives. \
                The task succeeds, sent once.",
        wire: Broker,
        patterns: &[POLL_PUBLISHED, CONFIRMED],
        expected: ACCEPTED,
    },
    CrashPoint {
        name: "worker-dies-before-the-ack",
        about: "A worker is killed before its acknowledgement of a submit reaches the broker: the message \
                is delivered again, and is a reason to look. The task succeeds, sent once.",
        wire: Broker,
        patterns: &[SUBMIT_DELIVERED, ACKNOWLEDGE],
        expected: ACCEPTED,
    },
    CrashPoint {
        name: "poller-dies-in-the-commit",
        about: "A SUCCESS is committed, and the worker is killed before it knows: its poll is delivered \
                again, for a task that has ended, and nothing happens.",
        wire: Database,
        patterns: &[END, COMMIT, COMMITTED],
        expected: POLL_RECORDED,
    },
    CrashPoint {
        name: "poller-dies-before-the-next-poll",
        about: "A worker is killed after it recorded that a song is not done and before the next poll \
                reaches the broker. The sweep publishes the poll, and the task succeeds.",
        wire: Broker,
        patterns: &[POLL_PUBLISHED, POLL_PUBLISHED],
        expected: Expected {
            // The song is not done at its first poll.
            title: "Rain sim:takes=8s",
            ..POLL_RECORDED
        },
    },
    CrashPoint {
        name: "poller-dies-before-the-ack",
        about: "A worker is killed before its acknowledgement of the last poll reaches the broker: the \
                poll is delivered again, for a task that has ended, and nothing happens.",
        wire: Broker,
        // The last poll and not the one before, which could be delivered in one batch with the last.
        patterns: &[POLL_DELIVERED, ACKNOWLEDGE],
        expected: POLL_RECORDED,
    },
];

pub fn scenarios() -> Vec<Scenario> {
    let scenario = |point: &'static CrashPoint| {
        Scenario::new(point.name, point.about, async |run| {
            Box::pin(crash(run, point)).await;
        })
    };
    CRASH_POINTS.iter().map(scenario).collect()
}

async fn crash(run: &Run, point: &CrashPoint) {
    let expected = point.expected;
    run.on_cluster(&setup(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let worker = &cluster.workers[0];
        let wire = match point.wire {
            Upstream => cluster.channels[0].proxy(),
            Database => worker.postgres(),
            Broker => worker.rabbitmq(),
        };
        let mut held = wire.hold(point.patterns);
        let task = ann.client.song(expected.title).await;
        held.reached().await;
        worker.kill().await;
        held.reset();
        worker.serve().await;
        if let Some(message) = expected.stale {
            gets_stale(worker, message).await;
        }
        let successes = usize::from(expected.succeeds);
        ends(run, cluster, &ann, successes, 1 - successes).await;
        assert_eq!(submits_of(cluster, expected.title).await, expected.submits);
        let task = ann.client.task(&task).await;
        let reason = task["fail_reason"].as_str().unwrap_or_default();
        let says_so = reason.contains("not sent twice");
        assert_ne!(says_so, expected.succeeds, "{reason}");
    })
    .await;
}
