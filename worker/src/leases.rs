//! The intentions of this worker: while it lives, it renews their leases, also while it waits for an upstream
//! or for the database. So a lease that ended says that its worker is dead, or cut off from the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::task::{AtTurn, RowId, Turn};
use tokio::time::Instant;

use crate::context::Context;

/// The pause between two renewals.
const EVERY: Duration = Duration::from_secs(10);
/// The pause after a renewal that failed.
const SOON: Duration = Duration::from_secs(1);

/// The tasks that this worker is sending, at their turns.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<HashMap<RowId, Turn>>>);

/// A lease that is renewed until this is dropped.
pub struct Lease {
    leases: Leases,
    at: AtTurn,
}

impl Leases {
    /// Renews the lease of `at` from now on.
    pub fn hold(&self, at: AtTurn) -> Lease {
        self.with(|held| held.insert(at.row, at.turn));
        Lease {
            leases: self.clone(),
            at,
        }
    }

    fn held(&self) -> Vec<AtTurn> {
        let at = |(row, turn): (&RowId, &Turn)| AtTurn {
            row: *row,
            turn: *turn,
        };
        self.with(|held| held.iter().map(at).collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<RowId, Turn>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Self { leases, at } = self;
        leases.with(|held| {
            if held.get(&at.row) == Some(&at.turn) {
                held.remove(&at.row);
            }
        });
    }
}

/// Renews the leases again and again until the process ends: a stop waits for the outcomes of submits.
pub async fn renew(context: Arc<Context>) {
    let mut pause = EVERY;
    loop {
        let asleep = Instant::now();
        tokio::time::sleep(pause).await;
        if asleep.elapsed() > context.batches.lease {
            tracing::warn!(
                seconds = asleep.elapsed().as_secs(),
                "this process stood still for longer than its leases: others may have taken it for dead"
            );
        }
        let held = context.leases.held();
        if held.is_empty() {
            pause = EVERY;
            continue;
        }
        let until = context.now().after(context.batches.lease);
        pause = match context.store.renew_leases(&held, until).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, submits = held.len(), "leases could not be renewed; they will be");
                SOON
            }
        };
    }
}
