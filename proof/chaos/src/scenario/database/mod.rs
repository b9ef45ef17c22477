//! The database restarts, closes connections, or has none left.
//!
//! | module | what breaks |
//! |---|---|
//! | `under_load` | the server restarts, or terminates every connection, under load |
//! | `exhausted` | all connections of an API are in use |
//! | `hangs_up` | every new connection is closed before its first byte |

mod exhausted;
mod hangs_up;
mod under_load;

use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "database-hangs-up-on-a-worker",
            "For some seconds every connection of a worker to the database is closed before its first \
             byte, as a failing proxy does, while the worker polls and the upstream accepts a song. \
             Nothing is parked, the acceptance is not lost, and every song succeeds.",
            hangs_up::hangs_up,
        ),
        Scenario::new(
            "pool-exhausted-by-a-lock",
            "Somebody holds a lock, and the submits that wait for it use all of an API's connections. \
             Other clients get a 503 within seconds, and no task of theirs is stored. Once the lock is \
             released, the submits that waited, and were repeated, are accepted, and all is well.",
            exhausted::by_a_lock,
        ),
        Scenario::new(
            "pool-exhausted-by-a-slow-wire",
            "The commits of two submits stop on the wire, and with them all of an API's connections. \
             Other clients get a 503 within seconds, and no task of theirs is stored. Once the commits \
             are forwarded, the two submits are accepted, and all is well.",
            exhausted::by_a_slow_wire,
        ),
        Scenario::new(
            "pool-exhausted-by-a-black-hole",
            "An API's connections to the database take everything and carry nothing. Clients get a 503 \
             within seconds, and no task of theirs is stored. Once the connections carry again, all is \
             well.",
            exhausted::by_a_black_hole,
        ),
        Scenario::new(
            "postgres-terminates",
            "PostgreSQL terminates every connection of APIs and workers (pg_terminate_backend) a few \
             times a second under load, also in the middle of commits.",
            under_load::terminates,
        )
        .lasts(20),
        Scenario::new(
            "postgres-restarts",
            "PostgreSQL is stopped as a service is, started, killed with SIGKILL, and started, again \
             and again under load.",
            under_load::restarts,
        )
        .lasts(20)
        .exclusive(),
    ]
}
