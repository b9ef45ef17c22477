//! What lapin's errors mean to a Broker.

use std::future::Future;
use std::time::Duration;

use lapin::ErrorKind;

use crate::broker::{BrokerError, Result};

/// AMQP reply codes that no retry helps with: access refused, not found, locked, precondition failed, not
/// allowed.
const REFUSALS: [u16; 5] = [403, 404, 405, 406, 530];

/// The AMQP reply code for a missing queue or exchange.
const NOT_FOUND: u16 = 404;

/// Translates the error; `doing` says what failed.
pub(super) fn broker_error(doing: &str, error: &lapin::Error) -> BrokerError {
    match error.kind() {
        ErrorKind::ProtocolError(amqp) if REFUSALS.contains(&amqp.get_id()) => {
            BrokerError::Refused(format!("{doing}: {}", amqp.get_message()))
        }
        _ => BrokerError::Unreachable(format!("{doing}: {error}")),
    }
}

/// Whether a queue or exchange is missing.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(amqp) if amqp.get_id() == NOT_FOUND)
}

/// Waits at most `limit` for `asked`; `doing` says what it does.
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

/// The error of an answer that did not come within `limit`.
pub(super) fn no_answer(limit: Duration, doing: &str) -> BrokerError {
    BrokerError::Unreachable(format!("{doing}: no answer within {limit:?}"))
}
