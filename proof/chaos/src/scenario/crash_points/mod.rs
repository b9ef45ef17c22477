//! One process or connection fails at one step, which a proxy recognises on the wire. So the same
//! thing happens in every run.
//!
//! | module | what fails |
//! |---|---|
//! | `workers` | a worker is killed in a submit or a poll |
//! | `frozen` | a worker is frozen until its lease is over |
//! | `apis` | an API is killed in a submit |
//! | `resets` | a connection to the database is reset |
//! | `disconnects` | a client disconnects in a transaction of its submit |

mod apis;
mod disconnects;
mod frozen;
mod resets;
mod workers;

use crate::scenario::prelude::*;

/// Longest lease, the sweep's grace and its interval, on a busy machine.
const LEASE: Duration = Duration::from_mins(2);

/// Those that take longest come first.
pub fn scenarios() -> Vec<Scenario> {
    [
        frozen::scenarios(),
        workers::scenarios(),
        resets::scenarios(),
        disconnects::scenarios(),
        apis::scenarios(),
    ]
    .concat()
}

/// One of each process. The upstream's timeouts are longer than elsewhere, so that a busy machine
/// fails no task. The leases that follow from them are 38 s for a submit and 25 s for a poll.
fn setup() -> Setup {
    Setup::default()
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s")
        .env("UPSTREAM_FETCH_TIMEOUT", "5s")
}

/// Checks everything once all tasks have ended: so many succeeded and failed, were charged and
/// refunded.
async fn ends(
    run: &Run,
    cluster: &Cluster,
    ann: &PatientClient,
    successes: usize,
    failures: usize,
) {
    let sums = check(run, cluster, LEASE, &ann.expected()).await;
    sums.assert_ended(successes, failures);
    let price = |tasks: usize| SONG * i64::try_from(tasks).unwrap_or(i64::MAX);
    let paid = (price(successes + failures), price(failures));
    assert_eq!((sums.charged, sums.refunded), paid);
}
