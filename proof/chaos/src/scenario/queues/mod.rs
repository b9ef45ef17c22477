//! The broker and everything in it: purged, deleted, killed, away, fed with nonsense.
//!
//! | file | what is broken |
//! |---|---|
//! | `purged` | queues are purged while tasks wait in them |
//! | `deleted` | queues, exchanges and bindings are deleted under those who use them |
//! | `killed` | the broker is killed while the ladder is full |
//! | `away` | the broker is away, or hangs, under load |
//! | `poison` | messages that no worker can read |
//! | `doubled` | messages that are published twice, too late, too early, and about the wrong thing |

mod away;
mod deleted;
mod doubled;
mod killed;
mod poison;
mod purged;

use crate::run::Scenario;

/// The scenarios.
pub const SCENARIOS: [Scenario; 8] = [
    purged::PURGED,
    deleted::WORK,
    deleted::WAITING,
    poison::POISON,
    doubled::DOUBLED,
    away::HANGS,
    away::AWAY,
    killed::KILLED,
];
