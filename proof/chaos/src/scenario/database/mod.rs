//! The database restarts, closes connections, has none left, refuses, or is not asked in time.
//!
//! | module | what breaks |
//! |---|---|
//! | `under_load` | the server restarts, or terminates every connection, under load |
//! | `exhausted` | all connections of an API are in use |
//! | `clocks` | the machines' clocks differ from the database's |
//! | `leases` | nobody can renew or write for longer than a lease |
//! | `mute` | connections carry nothing any more, and nobody resets them |
//! | `refuses` | the server answers, and refuses |
//! | `hangs_up` | every new connection is closed before its first byte |

mod clocks;
mod exhausted;
mod hangs_up;
mod leases;
mod mute;
mod refuses;
mod under_load;

use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "workers-start-as-the-database-comes-back",
            "A worker's connections to the database are cut while the upstream takes its songs, for \
             longer than the leases of these submits. A second worker starts in the moment in which the \
             database comes back. The first still records every acceptance, and every song succeeds.",
            leases::comes_back,
        ),
        Scenario::new(
            "a-table-is-locked",
            "An operator's LOCK TABLE keeps all workers from the unfinished tasks for longer than the \
             leases of submits under way. Nobody is taken for dead, and every song succeeds.",
            leases::locked,
        ),
        Scenario::new(
            "clocks-apart",
            "The machines of a worker and of an API have clocks that are 10 min and 1 h off. They say so, \
             and are not ready. Every song succeeds all the same, and each time that is shown is the \
             database's.",
            clocks::apart,
        ),
        Scenario::new(
            "database-refuses",
            "Under load the server refuses logins (as after a change of a password), takes no connections \
             to the database, and is read-only, one after the other. \
             Clients get a 503 and never a 500, /readyz says why, nothing is parked, and every song \
             that an upstream accepted succeeds.",
            refuses::refuses,
        )
        .exclusive(),
        Scenario::new(
            "database-fails-over-mute",
            "Again and again under load all connections to the database carry nothing any more, without a \
             reset, while new ones work: a failover behind a balancer. Clients are served again within \
             seconds, no process ends, and every song succeeds.",
            mute::fails_over,
        )
        .lasts(40),
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
