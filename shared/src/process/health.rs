//! Whether what we stand on answers: for `GET /readyz` of every program (contract, section 4).

use std::time::Duration;

use serde::Serialize;

use crate::broker::Broker;
use crate::store::Store;

/// How long each may take to answer. Probes often wait no longer than this themselves.
const PATIENCE: Duration = Duration::from_secs(2);

/// The media type of `GET /metrics`: version 0.0.4 of the Prometheus text format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How each of them is: `ok` or `unreachable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Readiness {
    database: &'static str,
    broker: &'static str,
}

impl Readiness {
    /// Asks both at once. Why one does not answer goes to the log.
    pub async fn ask(store: &Store, broker: &dyn Broker) -> Self {
        let (database, broker) = tokio::join!(
            answers("database", store.ping()),
            answers("broker", broker.ping())
        );
        let word = |is_there| if is_there { "ok" } else { "unreachable" };
        Self {
            database: word(database),
            broker: word(broker),
        }
    }

    /// Whether both answer.
    pub fn is_ready(self) -> bool {
        self.database == "ok" && self.broker == "ok"
    }
}

/// A ping reads and changes nothing, so that giving it up leaves nothing half done.
async fn answers<E: std::fmt::Display>(
    who: &str,
    ping: impl Future<Output = Result<(), E>>,
) -> bool {
    match tokio::time::timeout(PATIENCE, ping).await {
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
