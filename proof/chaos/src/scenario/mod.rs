//! The scenarios, by what they break.
//!
//! | module | what it breaks |
//! |---|---|
//! | `crash_points` | one process or connection, at one step |
//! | `queues`, `database`, `upstream` | one of the systems that we depend on |
//! | `flow` | a worker, the database, the broker, while limits hold and ceilings are learnt |
//! | `one_process` | `task-center` on `SQLite` |
//! | `money` | everything, at random |
//! | `observe` | what scenarios read, and what operators do |
//! | `prelude` | what nearly every scenario uses |

mod crash_points;
mod database;
mod flow;
mod money;
mod observe;
mod one_process;
mod prelude;
mod queues;
mod upstream;

use crate::run::Scenario;

/// All scenarios, in the order in which they run. Many run at the same time in a test: first comes
/// what waits for a long time, last what is quick.
pub fn all() -> Vec<Scenario> {
    [
        one_process::scenarios(),
        crash_points::scenarios(),
        queues::scenarios(),
        upstream::scenarios(),
        database::scenarios(),
        flow::scenarios(),
        money::scenarios(),
    ]
    .concat()
}
