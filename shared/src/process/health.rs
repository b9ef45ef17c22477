//! Whether a process can do its work now: for `GET /readyz` of every program (`docs/contract.md`, "Health and
//! metrics").

use std::time::Duration;

use serde::Serialize;

use super::time_keeper::WRONG_FROM;
use crate::broker::{Broker, BrokerError};
use crate::clock::Clock;
use crate::store::Store;

/// The longest time each may take to answer. Kubernetes probes often wait no longer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The media type of `GET /metrics`: version 0.0.4 of the Prometheus text format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

const OK: &str = "ok";

/// What a process needs to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The database: the API takes submits without a broker.
    Database,
    /// Database and broker.
    DatabaseAndBroker,
}

/// The state of each: `ok`, or what is wrong, in words that may be shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    database: &'static str,
    broker: String,
    clock: &'static str,
    /// Of a worker: what it lacks to call upstreams.
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<&'static str>,
}

impl Readiness {
    /// Writes to the database and pings the broker, at the same time. Logs why one cannot.
    pub async fn check(store: &Store, broker: &dyn Broker, clock: &dyn Clock) -> Self {
        let (database, broker) = tokio::join!(
            in_time("database", store.check_write(clock.now())),
            in_time("broker", broker.ping())
        );
        let database = match database {
            Ok(()) => OK,
            Err(error) => error.map_or("no answer in time", |error| error.state()),
        };
        let broker = match broker {
            Ok(()) => OK.to_owned(),
            Err(Some(BrokerError::Blocked(why))) => format!("blocked: {why}"),
            Err(Some(_)) => "unreachable".to_owned(),
            Err(None) => "no answer in time".to_owned(),
        };
        let is_right = clock.offset() < WRONG_FROM;
        Self {
            database,
            broker,
            clock: if is_right { OK } else { "wrong" },
            local: None,
        }
    }

    /// The readiness of a process that has this trouble of its own.
    #[must_use]
    pub fn with_local(self, trouble: Option<&'static str>) -> Self {
        Self {
            local: Some(trouble.unwrap_or(OK)),
            ..self
        }
    }

    /// Whether a process can do its work that needs these.
    pub fn is_ready(&self, needs: Needs) -> bool {
        let has_broker = self.broker == OK || needs == Needs::Database;
        let is_well = self.local.is_none_or(|local| local == OK);
        self.database == OK && self.clock == OK && has_broker && is_well
    }
}

/// The error, if the check fails; `Err(None)` if there is no answer in time.
async fn in_time<E: std::fmt::Display>(
    who: &str,
    check: impl Future<Output = Result<(), E>>,
) -> Result<(), Option<E>> {
    match tokio::time::timeout(TIMEOUT, check).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(who, %error, "not ready");
            Err(Some(error))
        }
        Err(_) => {
            tracing::warn!(who, "not ready: no answer in time");
            Err(None)
        }
    }
}
