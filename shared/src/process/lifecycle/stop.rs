//! The stop request that every long-lived part watches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// A request that the process stops. Clones share the request. It cannot be withdrawn.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<Request>>);

/// What was requested first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Request {
    #[default]
    None,
    /// What serves clients goes on until balancers know that the process stops.
    Drained,
    AtOnce,
}

impl Stop {
    /// Not requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests the stop.
    pub fn request(&self) {
        self.set(Request::AtOnce);
    }

    /// Requests the stop. What serves clients goes on for `DRAIN_DELAY`.
    pub fn request_drained(&self) {
        self.set(Request::Drained);
    }

    fn set(&self, request: Request) {
        self.0.send_if_modified(|requested| {
            let is_first = *requested == Request::None;
            if is_first {
                *requested = request;
            }
            is_first
        });
    }

    /// Whether the stop is requested.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() != Request::None
    }

    /// Waits until the stop is requested. Cancel-safe.
    pub async fn requested(&self) {
        self.wait().await;
    }

    /// Waits until what serves clients is to stop: `delay` after a request for a drained stop.
    pub async fn drained(&self, delay: Duration) {
        if self.wait().await == Request::Drained {
            tokio::time::sleep(delay).await;
        }
    }

    async fn wait(&self) -> Request {
        let mut requests = self.0.subscribe();
        let requested = requests.wait_for(|requested| *requested != Request::None);
        // Cannot fail: `self` holds the sender.
        requested
            .await
            .map_or(Request::AtOnce, |requested| *requested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_reaches_every_clone_before_and_after() {
        let stop = Stop::new();
        let waiting = tokio::spawn({
            let stop = stop.clone();
            async move { stop.requested().await }
        });
        tokio::task::yield_now().await;
        assert!(!stop.is_requested() && !waiting.is_finished());
        stop.clone().request();
        waiting.await.expect("it saw the request");
        stop.requested().await;
        assert!(stop.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_are_served_on_for_the_delay_if_the_first_request_says_so() {
        let delay = Duration::from_secs(5);
        for (stop, expected) in [(Stop::new(), delay), (Stop::new(), Duration::ZERO)] {
            if expected == delay {
                stop.request_drained();
            }
            stop.request();
            stop.request_drained();
            let started = tokio::time::Instant::now();
            stop.drained(delay).await;
            assert_eq!(started.elapsed(), expected);
        }
    }
}
