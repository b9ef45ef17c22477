//! The wish to stop, that everything long-lived watches.

use std::sync::Arc;

use tokio::sync::watch;

/// The wish that the process stops. Clones are one and the same; it cannot be taken back.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Nobody wishes to stop yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Wishes to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether anybody wishes to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody wishes to stop; at once if somebody did. Cancel-safe.
    pub async fn requested(&self) {
        // An error would mean that the sender is gone, and we hold it.
        let _ = self.0.subscribe().wait_for(|requested| *requested).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_to_stop_reaches_every_clone_before_and_after() {
        let stop = Stop::new();
        let waiting = tokio::spawn({
            let stop = stop.clone();
            async move { stop.requested().await }
        });
        tokio::task::yield_now().await;
        assert!(!stop.is_requested() && !waiting.is_finished());
        stop.clone().request();
        waiting.await.expect("it saw the wish");
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
