//! What lapin's errors mean to those who use a Broker.

use std::future::Future;
use std::time::Duration;

use lapin::ErrorKind;

use crate::broker::{BrokerError, Result};

/// AMQP reply codes that no patience helps with: access refused, not found, locked, precondition
/// failed, not allowed.
const REFUSALS: [u16; 5] = [403, 404, 405, 406, 530];

/// AMQP's reply code for a queue or exchange that is not there.
const NOT_FOUND: u16 = 404;

/// The error as a Broker's, with what we were doing.
pub(super) fn broker_error(doing: &str, error: &lapin::Error) -> BrokerError {
    match error.kind() {
        ErrorKind::ProtocolError(amqp) if REFUSALS.contains(&amqp.get_id()) => {
            BrokerError::Refused(format!("{doing}: {}", amqp.get_message()))
        }
        _ => BrokerError::Unreachable(format!("{doing}: {error}")),
    }
}

/// Whether the broker says that a queue or exchange is not there.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(amqp) if amqp.get_id() == NOT_FOUND)
}

/// What `asked` comes to, if it comes within `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &str,
    asked: impl Future<Output = lapin::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|error| broker_error(doing, &error)),
        Err(_) => Err(no_answer(limit, doing)),
    }
}

/// The broker did not answer in time.
pub(super) fn no_answer(limit: Duration, doing: &str) -> BrokerError {
    BrokerError::Unreachable(format!("{doing}: no answer within {limit:?}"))
}
