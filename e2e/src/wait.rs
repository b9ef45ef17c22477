//! Waiting for what must come true.

use std::time::Duration;

use tokio::time::Instant;

/// How often a condition is looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// Asks `ask` until it gives something, and panics when it has not `within` the time: `what` says
/// what was waited for.
pub async fn eventually<T>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(
            started.elapsed() < within,
            "waited for {what}, in vain for {within:?}"
        );
        tokio::time::sleep(EVERY).await;
    }
}
