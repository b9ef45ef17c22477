//! Money.
use crate::run::Scenario;
pub const SCENARIOS: [Scenario; 0] = [];
