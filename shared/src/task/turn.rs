//! Turns: what makes a message that is delivered twice act once.

use serde::{Deserialize, Serialize};

use super::RowId;
use super::id::numbers;

numbers! {
    /// Counts what was done about an unfinished task. A message carries the turn at which it was sent.
    /// Each action moves the task to its next turn, so the second of two deliveries finds another turn
    /// and does nothing.
    Turn;
}

impl Turn {
    /// The turn of a new task.
    pub const FIRST: Self = Self(0);
}

/// An unfinished task at one of its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AtTurn {
    /// The task. Messages name it `id`.
    #[serde(rename = "id")]
    pub row: RowId,
    /// The turn.
    pub turn: Turn,
}

impl AtTurn {
    /// The task at its next turn.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            turn: Turn(self.turn.0 + 1),
            ..self
        }
    }
}
