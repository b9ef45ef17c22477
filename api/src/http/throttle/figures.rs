//! What was refused as too much: counted, and logged now and then.

use std::net::IpAddr;
use std::time::Duration;

use metrics::{counter, gauge};
use shared::process::telemetry::Figure;
use tokio::time::Instant;

/// Counts requests that were refused because one client sends too much, by reason.
const REFUSED: &str = "task_center_throttled_requests_total";
/// Shows how many buckets there are, by whose they are.
const BUCKETS: &str = "task_center_throttle_buckets";

/// The descriptions of the figures, for `GET /metrics`.
pub const FIGURES: [Figure; 2] = [
    Figure::Counter(
        REFUSED,
        "Requests that were refused because one client sends too much, by reason (rate, at_once, sign_in).",
    ),
    Figure::Gauge(
        BUCKETS,
        "Clients that sent something of late and are counted, by what they are known by (credential, address).",
    ),
];

/// The shortest time between two log lines for the same reason.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The credential's bucket is empty.
    Rate,
    /// As many requests of the credential are under way as may be.
    AtOnce,
    /// Too many sign-ins of the address failed.
    SignIn,
}

impl Reason {
    const ALL: [Self; 3] = [Self::Rate, Self::AtOnce, Self::SignIn];

    fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::AtOnce => "at_once",
            Self::SignIn => "sign_in",
        }
    }
}

/// Starts the figures at 0, so that the first refusal shows as a rise.
pub(super) fn start_at_zero() {
    for reason in Reason::ALL {
        counter!(REFUSED, "reason" => reason.as_str()).increment(0);
    }
    show_buckets(0, 0);
}

/// Shows how many buckets there are.
pub(super) fn show_buckets(of_credentials: usize, of_addresses: usize) {
    for (of, count) in [("credential", of_credentials), ("address", of_addresses)] {
        #[allow(clippy::cast_precision_loss, reason = "it is a small number")]
        gauge!(BUCKETS, "of" => of).set(count as f64);
    }
}

/// What was refused since the last log line, for each reason.
#[derive(Debug, Default)]
pub(super) struct Refusals([SinceLine; 3]);

#[derive(Debug, Default)]
struct SinceLine {
    last: Option<Instant>,
    refused: u64,
}

impl Refusals {
    /// Counts a refusal, and logs a line if the last one for this reason is long ago. The line stands in the span of
    /// its request, which names user and key.
    pub(super) fn note(&mut self, reason: Reason, address: Option<IpAddr>) {
        counter!(REFUSED, "reason" => reason.as_str()).increment(1);
        let since = &mut self.0[reason as usize];
        since.refused += 1;
        if since.last.is_some_and(|last| last.elapsed() < LOG_INTERVAL) {
            return;
        }
        since.last = Some(Instant::now());
        let refused = std::mem::take(&mut since.refused);
        match reason {
            Reason::Rate => tracing::warn!(
                refused,
                "a credential sends more requests than API_RATE_LIMIT or its own rate allows: it gets 429. \
                 `key set --rate` gives a key another rate"
            ),
            Reason::AtOnce => tracing::warn!(
                refused,
                "a credential has as many requests under way as it may have at once: it gets 429"
            ),
            Reason::SignIn => {
                let address = address.map(tracing::field::display);
                tracing::warn!(
                    address,
                    refused,
                    "too many sign-ins of one address failed: until it pauses, those that fail get 429"
                );
            }
        }
    }
}
