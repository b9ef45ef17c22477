//! Whether database and broker answer: for `GET /readyz` of every program (`docs/contract.md`,
//! "Health and metrics").

use std::time::Duration;

use serde::Serialize;

use crate::broker::Broker;
use crate::store::Store;

/// The longest time each may take to answer. Kubernetes probes often wait no longer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The media type of `GET /metrics`: version 0.0.4 of the Prometheus text format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The state of each: `ok` or `unreachable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Readiness {
    database: &'static str,
    broker: &'static str,
}

impl Readiness {
    /// Pings both at the same time. Logs why one does not answer.
    pub async fn check(store: &Store, broker: &dyn Broker) -> Self {
        let (database, broker) = tokio::join!(
            answers("database", store.ping()),
            answers("broker", broker.ping())
        );
        let state = |answers| if answers { "ok" } else { "unreachable" };
        Self {
            database: state(database),
            broker: state(broker),
        }
    }

    /// Whether both answer.
    pub fn is_ready(self) -> bool {
        self.database == "ok" && self.broker == "ok"
    }
}

/// Whether the ping succeeds in time. A ping changes nothing, so that it can be dropped at any
/// point.
async fn answers<E: std::fmt::Display>(
    who: &str,
    ping: impl Future<Output = Result<(), E>>,
) -> bool {
    match tokio::time::timeout(TIMEOUT, ping).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(who, %error, "not ready");
            false
        }
        Err(_) => {
            tracing::warn!(who, "not ready: no answer in time");
            false
        }
    }
}
