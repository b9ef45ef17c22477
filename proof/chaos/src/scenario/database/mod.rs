//! A database that goes away, throws its clients out, or has no time for them.
//!
//! | file | what happens to it |
//! |---|---|
//! | `restarts` | the server is stopped and killed |
//! | `terminates` | it throws every connection out, again and again |
//! | `hangs_up` | it closes every connection before its first word |
//! | `exhausted` | every connection of an API is in use |
//! | `load` | who asks meanwhile |

mod exhausted;
mod hangs_up;
mod load;
mod restarts;
mod terminates;

use crate::run::Scenario;

/// The scenarios.
pub const SCENARIOS: [Scenario; 6] = [
    hangs_up::ON_A_WORKER,
    exhausted::BY_A_LOCK,
    exhausted::BY_A_SLOW_WIRE,
    exhausted::BY_A_BLACK_HOLE,
    terminates::AGAIN_AND_AGAIN,
    restarts::UNDER_LOAD,
];
