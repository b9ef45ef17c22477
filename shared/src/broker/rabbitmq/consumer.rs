//! Messages in, as a worker sees them. What happens behind is in [`super::subscription`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::broker::{Consumer, Delivery};

/// The longest that the broker may take to stop delivering. What comes later goes back.
const STOP: Duration = Duration::from_secs(5);

/// How far a subscription is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It receives.
    Running,
    /// It takes no new messages, and waits for those delivered to be ended.
    Stopping,
    /// It tells what was ended, and gives back the rest.
    Closing,
}

/// Moves a subscription on, never back.
pub(super) fn advance(phase: &watch::Sender<Phase>, to: Phase) {
    phase.send_if_modified(|phase| {
        let later = to > *phase;
        if later {
            *phase = to;
        }
        later
    });
}

/// A delivery, and which life of the channel it came in.
pub(super) struct Received {
    pub(super) epoch: u64,
    pub(super) delivery: Delivery,
}

/// The worker's end of a subscription.
pub(super) struct RabbitMqConsumer {
    pub(super) received: mpsc::UnboundedReceiver<Received>,
    /// The life of the channel now. What came in an earlier one was delivered anew since.
    pub(super) epoch: Arc<AtomicU64>,
    pub(super) phase: Arc<watch::Sender<Phase>>,
    /// True once nothing new is delivered.
    pub(super) stopped: watch::Receiver<bool>,
}

#[async_trait]
impl Consumer for RabbitMqConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let received = self.received.recv().await?;
            // To drop it here gives it back, or does nothing if it is of an earlier life.
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
        // A sender that is gone stopped, too.
        let _ = timeout(STOP, self.stopped.wait_for(|stopped| *stopped)).await;
        while self.received.try_recv().is_ok() {}
    }
}

impl Drop for RabbitMqConsumer {
    fn drop(&mut self) {
        advance(&self.phase, Phase::Stopping);
    }
}
