//! Declares queues and exchanges again after somebody deleted them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::link::{BrokerContext, Link};
use super::topology;

/// How long the broker may take to cancel the consumers of a deleted queue. If the queue were declared
/// again before that, it could move them over without a word (see `QUIET` in [`super::session`]).
const CANCEL_GRACE: Duration = Duration::from_millis(250);

/// Declares the whole topology again, in the background, one run at a time.
#[derive(Debug, Clone)]
pub(super) struct Healer {
    context: Arc<BrokerContext>,
    link: Arc<Link>,
    healing: Arc<AtomicBool>,
}

impl Healer {
    pub(super) fn new(context: Arc<BrokerContext>, link: Arc<Link>) -> Self {
        Self {
            context,
            link,
            healing: Arc::default(),
        }
    }

    /// Starts a run, unless one is under way. The publish that found a queue missing fails; a later one
    /// succeeds.
    pub(super) fn heal(&self) {
        if self.healing.swap(true, Ordering::SeqCst) {
            return;
        }
        let healer = self.clone();
        tokio::spawn(async move {
            sleep(CANCEL_GRACE).await;
            match healer.declare().await {
                Ok(()) => tracing::warn!("a queue or exchange was missing: declared it again"),
                Err(error) => tracing::error!(%error, "a queue or exchange is missing"),
            }
            healer.healing.store(false, Ordering::SeqCst);
        });
    }

    async fn declare(&self) -> crate::broker::Result<()> {
        let connection = self.link.connection()?;
        topology::declare(&connection, &self.context.names).await?;
        Ok(())
    }
}
