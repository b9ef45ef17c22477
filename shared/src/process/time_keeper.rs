//! Keeps the process's clock on the database's time: one clock decides for all processes, whatever their
//! machines' clocks say (`docs/design.md`, "One clock decides").

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;

use super::lifecycle::Stop;
use super::telemetry::Figure;
use crate::clock::{Clock as _, FollowingClock};
use crate::store::{Result, Store};

/// The figures of the clock.
pub const FIGURES: &[Figure] = &[Figure::Gauge(
    "task_center_clock_offset_seconds",
    "By how much this machine's clock differs from the database's",
)];

/// The pause between two measurements.
const EVERY: Duration = Duration::from_secs(5);
/// From this offset on an operator is warned.
const WARN_FROM: Duration = Duration::from_secs(1);
/// From this offset on the process is not ready, and does not sweep.
pub const WRONG_FROM: Duration = Duration::from_secs(5);

/// Sets the clock by the database's. The answer to the question is half a round trip old.
pub async fn set(clock: &FollowingClock, store: &Store) -> Result<()> {
    let asked = Instant::now();
    let time = store.time().await?;
    clock.set(time.after(asked.elapsed() / 2));
    gauge!("task_center_clock_offset_seconds").set(clock.offset().as_secs_f64());
    Ok(())
}

/// Sets the clock again and again until a stop is requested.
pub async fn run(
    clock: Arc<FollowingClock>,
    store: Store,
    stop: Stop,
) -> std::result::Result<(), Infallible> {
    let mut warned = false;
    loop {
        let is_off = clock.offset() >= WARN_FROM;
        if is_off && !warned {
            tracing::warn!(
                seconds = clock.offset().as_secs_f64(),
                "this machine's clock differs from the database's: set it by NTP. The database's \
                 clock decides; from 5 s on this process is not ready and does not sweep"
            );
        }
        warned = is_off;
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = set(&clock, &store).await {
            tracing::debug!(%error, "the database's time could not be read; it will be");
        }
    }
}
