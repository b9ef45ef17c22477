//! The worker's end of a subscription. [`super::subscription`] is the other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::broker::{Consumer, Delivery};

/// The longest wait for the broker to stop delivering. Later deliveries go back to their queue.
const STOP: Duration = Duration::from_secs(5);

/// The phases of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It receives messages.
    Running,
    /// It takes no new messages, and waits until the delivered ones are settled.
    Stopping,
    /// It sends its acknowledgements, and the other messages go back to their queue.
    Closing,
}

/// Moves a subscription to a later phase; never to an earlier one.
pub(super) fn advance(phase: &watch::Sender<Phase>, to: Phase) {
    phase.send_if_modified(|phase| {
        let later = to > *phase;
        if later {
            *phase = to;
        }
        later
    });
}

/// A delivery, and the epoch of the channel session that it came in.
pub(super) struct Received {
    pub(super) epoch: u64,
    pub(super) delivery: Delivery,
}

/// The worker's end of a subscription.
pub(super) struct RabbitMqConsumer {
    pub(super) received: mpsc::UnboundedReceiver<Received>,
    /// The current epoch. Deliveries of earlier ones are delivered again.
    pub(super) epoch: Arc<AtomicU64>,
    pub(super) phase: Arc<watch::Sender<Phase>>,
    /// Whether the broker has stopped delivering.
    pub(super) stopped: watch::Receiver<bool>,
}

#[async_trait]
impl Consumer for RabbitMqConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let received = self.received.recv().await?;
            // Dropped here, a delivery goes back to its queue; one of an earlier epoch does nothing.
            let current = received.epoch == self.epoch.load(Ordering::SeqCst);
            if current && *self.phase.borrow() == Phase::Running {
                return Some(received.delivery);
            }
        }
    }

    async fn stop(&mut self) {
        advance(&self.phase, Phase::Stopping);
        self.received.close();
        while self.received.try_recv().is_ok() {}
        // A subscription that is gone has stopped, too.
        let _ = timeout(STOP, self.stopped.wait_for(|stopped| *stopped)).await;
        while self.received.try_recv().is_ok() {}
    }
}

impl Drop for RabbitMqConsumer {
    fn drop(&mut self) {
        advance(&self.phase, Phase::Stopping);
    }
}
