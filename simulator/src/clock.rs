//! The upstream's clock, and waiting.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

/// Waits this long. Zero returns at once; a sleep of zero would last until the timer's next tick.
pub async fn pause(length: Duration) {
    if !length.is_zero() {
        sleep(length).await;
    }
}

/// Shows the system's time at its start, plus a skew and the time since. Later changes of the system's clock have no
/// effect.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    offset: Duration,
}

impl Clock {
    /// Starts a clock that is `skew_seconds` ahead of the system's clock, or behind it if negative.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's clock"
    )]
    pub fn start(skew_seconds: i64) -> Self {
        let system = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let skew = Duration::from_secs(skew_seconds.unsigned_abs());
        let offset = match skew_seconds {
            0.. => system.saturating_add(skew),
            _ => system.saturating_sub(skew),
        };
        Self {
            started: Instant::now(),
            offset,
        }
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        let now = self.offset.saturating_add(self.started.elapsed());
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}
