//! The codes of errors.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong, for programs: the codes of `docs/contract.md`, "Making music".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the table of the contract explains them")]
pub enum ErrorCode {
    InvalidRequest,
    InvalidAction,
    TaskNotExist,
    InvalidToken,
    UserDisabled,
    KeyDisabled,
    KeyExpired,
    QuotaNotEnough,
    IdempotencyKeyReused,
    TooManyRequests,
    TooManyTasks,
    NoAvailableChannel,
    Busy,
    InternalError,
}

impl fmt::Display for ErrorCode {
    /// The code as clients get it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
