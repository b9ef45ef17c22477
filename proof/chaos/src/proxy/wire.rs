//! How a wire is.

use std::time::Duration;

/// What happens to what is on a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// It is carried, each piece after this delay.
    Carry {
        /// How long a piece takes.
        delay: Duration,
    },
    /// It is taken, and goes nowhere.
    BlackHole,
    /// Connections end, old and new.
    Cut {
        /// With RST, not FIN.
        reset: bool,
    },
}

impl Default for Wire {
    fn default() -> Self {
        Self::Carry {
            delay: Duration::ZERO,
        }
    }
}
