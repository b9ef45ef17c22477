//! The scenarios, by what they break.
//!
//! | file | what it holds |
//! |---|---|
//! | `money` | everything at once, at random |
//! | `gaps` | each gap by itself: who dies, between which two words |
//! | `queues`, `database`, `upstream` | what is broken |
//! | `one_process` | `task-center` on `SQLite` |
//! | `asking` | asking for songs where answers may fail to come |
//! | `asker` | a user who asks until answered, and what must become of it |

mod asker;
mod asking;
mod database;
mod gaps;
mod money;
mod one_process;
mod queues;
mod upstream;

use crate::run::Scenario;

/// All of them, in the order in which they run.
pub fn all() -> Vec<Scenario> {
    [
        &gaps::SCENARIOS[..],
        &queues::SCENARIOS,
        &upstream::SCENARIOS,
        &database::SCENARIOS,
        &one_process::SCENARIOS,
        &money::SCENARIOS,
    ]
    .concat()
}
