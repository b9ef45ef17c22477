//! Folds noted changes of tasks into the counts of the listings, every second, in every program
//! (`store::listing`). One of the programs does it; the others find nothing left to do.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::jittered;
use crate::process::lifecycle::Stop;
use crate::random::Random;
use crate::store::Store;

/// The time between two folds.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most changes in one fold. A fold writes at most some ten rows for each.
const BATCH: u32 = 10_000;

/// Folds until a stop is requested.
pub async fn run(store: Store, random: Arc<Random>, stop: Stop) -> Result<(), Infallible> {
    let mut failed = false;
    while !stop.is_requested() {
        let folded = store.fold(BATCH).await;
        if let Err(error) = &folded
            && !failed
        {
            tracing::warn!(%error,
                "changes of tasks could not be folded into the counts; listings stay exact, and get \
                 slower until they can be");
        }
        failed = folded.is_err();
        if folded.is_ok_and(|folded| folded >= u64::from(BATCH)) {
            continue;
        }
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(jittered(INTERVAL, 0.2, &random)) => {}
        }
    }
    Ok(())
}
