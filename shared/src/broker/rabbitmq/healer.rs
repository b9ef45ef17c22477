//! Declares again what somebody deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::link::{Link, Site};
use super::topology;

/// Time for the broker to tell the consumers of a queue that it is gone: see [`super::watch`].
const MOURNING: Duration = Duration::from_millis(250);

/// Declares everything again, in the background and one at a time.
#[derive(Debug, Clone)]
pub(super) struct Healer {
    site: Arc<Site>,
    link: Arc<Link>,
    healing: Arc<AtomicBool>,
}

impl Healer {
    pub(super) fn new(site: Arc<Site>, link: Arc<Link>) -> Self {
        Self {
            site,
            link,
            healing: Arc::default(),
        }
    }

    /// Starts to, unless it is under way. What fails because a queue is missing fails now, and goes
    /// through a moment later.
    pub(super) fn heal(&self) {
        if self.healing.swap(true, Ordering::SeqCst) {
            return;
        }
        let healer = self.clone();
        tokio::spawn(async move {
            sleep(MOURNING).await;
            match healer.declare().await {
                Ok(()) => tracing::warn!("a queue or exchange was missing: declared it again"),
                Err(error) => tracing::error!(%error, "a queue or exchange is missing"),
            }
            healer.healing.store(false, Ordering::SeqCst);
        });
    }

    async fn declare(&self) -> crate::broker::Result<()> {
        let connection = self.link.connection()?;
        topology::declare(&connection, &self.site.names).await?;
        Ok(())
    }
}
