//! Waits for a condition.

use std::time::Duration;

use tokio::time::Instant;

/// The pause between two checks of a condition.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// Calls `ask` until it returns `Some`. Panics with `what`, which names the condition, if it does not
/// `within` the time.
pub async fn eventually<T>(within: Duration, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let found = in_time(within, ask).await;
    found.unwrap_or_else(|| panic!("waited for {what}, in vain for {within:?}"))
}

/// Calls `ask` until it returns `Some`, or until `within` is over.
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
