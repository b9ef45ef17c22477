//! Each gap by itself: who dies, and between which two words on the wire. Deterministic.

mod worker_dies;

use crate::run::Scenario;

/// The scenarios.
pub const SCENARIOS: [Scenario; 1] = [worker_dies::AFTER_THE_CALL];
