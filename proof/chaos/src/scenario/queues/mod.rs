//! The broker and its queues: purged, deleted, killed, stopped, filled with nonsense.
//!
//! | module | what breaks |
//! |---|---|
//! | `purged` | queues are purged while tasks wait in them |
//! | `deleted` | queues, exchanges and bindings are deleted while they are used |
//! | `unavailable` | the broker is killed, stopped, or does not answer |
//! | `poison` | messages that no worker can read |
//! | `doubled` | messages that come twice, too late, too early, or to the wrong queue |

mod deleted;
mod doubled;
mod poison;
mod purged;
mod unavailable;

use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "queues-purged",
            "Tasks wait in the waiting queues and in the submit queue, and all queues are purged. The \
             sweep publishes every task again: all succeed, and none is sent twice.",
            purged::purged,
        ),
        Scenario::new(
            "work-queues-deleted",
            "Under load, each work queue is deleted while it is consumed, then their exchange, then \
             their bindings, then everything. Each time everything is declared and consumed again, \
             and every task succeeds.",
            deleted::work_queues,
        ),
        Scenario::new(
            "waiting-queues-deleted",
            "Under load, a waiting queue is deleted with its messages, then the exchange in front of \
             it, then all waiting queues and the parking queue, then their exchanges. Each time \
             everything is declared again, every task succeeds, and what no worker can read is parked.",
            deleted::waiting_queues,
        ),
        Scenario::new(
            "poison-messages",
            "Messages that no worker can read, and messages about tasks that do not exist, come to both \
             work queues among good ones. The unreadable ones are parked unchanged and counted, \
             requeued from the command line and parked again; the others are dropped, and the good \
             ones go on.",
            poison::poison,
        ),
        Scenario::new(
            "messages-doubled-and-reordered",
            "While two workers make songs, every current message is published several times more, \
             with stale ones, ones for the wrong channel or the wrong queue, and unknown ids among \
             them, in random order. Every song is submitted once, none is lost, nothing is parked.",
            doubled::doubled,
        ),
        Scenario::new(
            "broker-hangs-under-load",
            "The connections to the broker carry nothing for a while under steady load. Every submit \
             is accepted as fast as before, and all tasks succeed once the connections carry again.",
            unavailable::hangs,
        ),
        Scenario::new(
            "broker-short-of-memory",
            "The broker takes no messages under steady load, as its memory alarm has it. Every submit is \
             accepted as fast as before, /readyz says why, APIs stay ready, and all tasks succeed once the \
             alarm is over.",
            unavailable::short_of_memory,
        )
        .exclusive(),
        Scenario::new(
            "broker-away-under-load",
            "The broker is stopped for a while under steady load. Every submit is accepted as fast as \
             before, and all tasks succeed once the broker is back.",
            unavailable::away,
        )
        .lasts(20)
        .exclusive(),
        Scenario::new(
            "broker-killed-with-a-full-ladder",
            "The upstream tells whoever asks to wait, so that the waiting queues hold the messages of all \
             tasks. The broker is killed, and started again some seconds later. Every task succeeds.",
            unavailable::killed,
        )
        .lasts(20)
        .exclusive(),
    ]
}
