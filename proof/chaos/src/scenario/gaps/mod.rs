//! Each gap by itself: who dies, and between which two words on the wire. Deterministic.
//!
//! | file | who dies, or worse |
//! |---|---|
//! | `worker_dies`, `poll_dies` | a worker in a submit, in a poll; how is in `dies` |
//! | `api_dies` | an API in a submit |
//! | `dropped` | nobody, but the client is gone |
//! | `resets` | nobody, but the connection to the database is gone |
//! | `frozen` | nobody: a worker stands still until it is too late |
//! | `deadline` | nobody: a task ends at its deadline |
//! | `words` | the words that tell the moments |
//! | `evidence` | what is asserted beside balanced books |

mod api_dies;
mod deadline;
mod dies;
mod dropped;
mod evidence;
mod frozen;
mod poll_dies;
mod resets;
mod words;
mod worker_dies;

use crate::run::Scenario;
use crate::site::Setup;

/// The scenarios; those that take longest first, as they run side by side.
pub const SCENARIOS: [Scenario; 23] = [
    frozen::WITH_AN_ACCEPTANCE,
    frozen::BEFORE_THE_ANSWER,
    frozen::WITH_A_SUCCESS,
    deadline::RACES_A_SUCCESS,
    worker_dies::BEFORE_THE_CALL,
    worker_dies::AFTER_THE_CALL,
    worker_dies::BEFORE_THE_COMMIT,
    poll_dies::BEFORE_THE_FETCH,
    poll_dies::AFTER_THE_FETCH,
    poll_dies::BEFORE_THE_COMMIT,
    worker_dies::IN_THE_COMMIT,
    worker_dies::BEFORE_THE_PUBLISH,
    worker_dies::AFTER_THE_PUBLISH,
    worker_dies::BEFORE_THE_ACK,
    poll_dies::IN_THE_COMMIT,
    poll_dies::BEFORE_THE_NEXT,
    poll_dies::BEFORE_THE_ACK,
    resets::IN_A_WORKER,
    resets::IN_A_SUBMIT,
    dropped::IN_A_TRANSACTION,
    api_dies::BEFORE_THE_COMMIT,
    api_dies::IN_THE_COMMIT,
    api_dies::BEFORE_THE_ANSWER,
];

/// One of each. An upstream's answer is waited for a little longer than elsewhere: these tasks must not
/// fail because a machine is busy. The leases that follow from it are 38 s for a submit, 25 s for a poll.
fn setup() -> Setup {
    Setup::default()
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s")
        .env("UPSTREAM_FETCH_TIMEOUT", "5s")
}
