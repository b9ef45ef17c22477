//! Waiting for what must come true.

use std::time::Duration;

use tokio::time::Instant;

/// How often a condition is looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// Asks `ask` until it gives something, and panics when it has not `within` the time: `what` says
/// what was waited for.
pub async fn eventually<T>(within: Duration, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let found = in_time(within, ask).await;
    found.unwrap_or_else(|| panic!("waited for {what}, in vain for {within:?}"))
}

/// Asks `ask` until it gives something, or until `within` is over.
pub async fn in_time<T>(within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let found = ask().await;
        if found.is_some() || started.elapsed() >= within {
            return found;
        }
        tokio::time::sleep(EVERY).await;
    }
}
