//! Folds noted changes of tasks into the counts that listings are made from, every second, in every
//! program: one of them does it, the others find it done (`store::listing`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::jittered;
use crate::process::lifecycle::Stop;
use crate::random::Random;
use crate::store::Store;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// How many changes at once: a fold writes at most some ten rows for each.
const AT_ONCE: u32 = 10_000;

/// Folds until a stop is asked for.
pub async fn run(store: Store, random: Arc<Random>, stop: Stop) -> Result<(), Infallible> {
    let mut failed = false;
    while !stop.is_requested() {
        let folded = store.fold(AT_ONCE).await;
        if let Err(error) = &folded
            && !failed
        {
            tracing::warn!(%error,
                "changes of tasks could not be folded into the counts; listings stay exact, and get \
                 slower until they can be");
        }
        failed = folded.is_err();
        if folded.is_ok_and(|folded| folded >= u64::from(AT_ONCE)) {
            continue;
        }
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(jittered(EVERY, 0.2, &random)) => {}
        }
    }
    Ok(())
}
