//! Every error a client can get: its status, its code (for `/suno/*`) and its text in both
//! languages ([`text`]). No error holds internals.
//!
//! A handler returns an [`ApiError`]; [`crate::http::error_format`] writes it in the format of the
//! surface and the language of the client.

mod code;
mod text;

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::public_address::NotPublic;
use shared::store::StoreError;
use shared::task::{Action, Platform};

pub use self::code::ErrorCode;

/// The result of a handler.
pub type Result<T> = std::result::Result<T, ApiError>;

/// Every error a client can get. [`ApiError::text`] explains each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "their texts explain them")]
pub enum ApiError {
    TokenMissing,
    TokenUnknown,
    /// An API key where an access token is needed.
    KeyInsteadOfToken,
    /// An access token where an API key is needed.
    TokenInsteadOfKey,
    UserHeader(UserHeader),
    /// The request does not name exactly one host.
    Host,
    /// The head of the request, line and headers, is too large.
    HeadTooLarge,
    UserDisabled,
    KeyDisabled,
    KeyExpired,
    NotAdmin,
    NoSuchPath,
    MethodNotAllowed,
    QueryEncoding,
    Parameter(&'static str, Wanted),
    MediaType,
    /// The charset of the body is not UTF-8.
    Charset,
    /// The body is compressed in a way that is not read.
    ContentEncoding,
    /// The body is not what its `Content-Encoding` says.
    BrokenGzip,
    TooLarge,
    TooSlow,
    BrokenJson {
        line: usize,
        column: usize,
    },
    NotAnObject,
    Field(Cow<'static, str>, Wanted),
    TooManyIds(usize),
    /// The request holds none of these fields, of which its action needs one.
    Needs(Action, &'static [&'static str]),
    /// A field that holds an address which nobody behind us may open.
    Address(&'static str, NotPublic),
    /// A field that holds the address of a webhook.
    NoWebhooks(String),
    /// The JSON is nested too deep.
    TooDeep,
    IdempotencyKey,
    /// The request is malformed, and more is not known.
    BadRequest,
    /// The platform has no such action.
    InvalidAction(Platform),
    /// There is no such task, or it is another user's: on `/suno/*`, where clients expect 400.
    TaskNotExist,
    /// The same on `/api/*`, where it is 404.
    TaskNotFound,
    /// No upstream ever accepted the task to continue.
    NothingToContinue,
    /// The clips that a request names were made at several channels.
    ClipsApart,
    TooManyClips,
    QuotaNotEnough,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// The user's answers that are under way have as many bytes as they may have.
    TooManyAnswers,
    /// The credential sends more than it may. The next request is taken after so many seconds.
    TooManyRequests(u64),
    /// As many requests of the credential are under way as may be at once.
    TooManyAtOnce,
    /// The credential is not good, and too many sign-ins of this address failed. The next failure is answered by its
    /// reason after so many seconds.
    TooManyFailures(u64),
    /// As many of the user's tasks wait to be sent as may wait.
    TooManyTasks,
    NoAvailableChannel,
    /// The database is busy, away, or cannot be written, or the answers under way fill their memory. Nothing was
    /// done, or a commit's outcome is unknown.
    Busy,
    /// The server failed. The log has the cause.
    Internal,
}

/// What is wrong with `New-Api-User`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their texts explain them")]
pub enum UserHeader {
    NotANumber,
    NotTheirs,
}

/// What a parameter or a field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their texts explain them")]
pub enum Wanted {
    WholeNumber,
    Number,
    Flag,
    Text,
    /// The databases cannot store NUL characters.
    TextWithoutNul,
    /// Half of a surrogate pair is no character.
    TextWithoutSurrogates,
    Strings,
    /// A JSON object.
    Object,
    Status,
    /// The name of a platform.
    Platform,
    /// Unix seconds: a number of 12 digits is a time in milliseconds.
    Seconds,
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TokenMissing
            | Self::TokenUnknown
            | Self::KeyInsteadOfToken
            | Self::TokenInsteadOfKey
            | Self::UserHeader(_) => StatusCode::UNAUTHORIZED,
            Self::UserDisabled
            | Self::KeyDisabled
            | Self::KeyExpired
            | Self::NotAdmin
            | Self::QuotaNotEnough => StatusCode::FORBIDDEN,
            Self::NoSuchPath | Self::TaskNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::IdempotencyKeyReused => StatusCode::CONFLICT,
            Self::TooManyAnswers
            | Self::TooManyRequests(_)
            | Self::TooManyAtOnce
            | Self::TooManyFailures(_)
            | Self::TooManyTasks => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType | Self::Charset | Self::ContentEncoding => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::Host
            | Self::QueryEncoding
            | Self::Parameter(..)
            | Self::BrokenJson { .. }
            | Self::BrokenGzip
            | Self::NotAnObject
            | Self::Field(..)
            | Self::TooManyIds(_)
            | Self::Needs(..)
            | Self::Address(..)
            | Self::NoWebhooks(_)
            | Self::TooDeep
            | Self::IdempotencyKey
            | Self::BadRequest
            | Self::InvalidAction(_)
            | Self::TaskNotExist
            | Self::NothingToContinue
            | Self::ClipsApart
            | Self::TooManyClips => StatusCode::BAD_REQUEST,
            Self::NoAvailableChannel | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code, from the table in `docs/contract.md`, "Making music". Errors that the table does not
    /// name have `invalid_request` if the request causes them, else `internal_error`.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TokenMissing
            | Self::TokenUnknown
            | Self::KeyInsteadOfToken
            | Self::TokenInsteadOfKey
            | Self::UserHeader(_) => ErrorCode::InvalidToken,
            Self::UserDisabled => ErrorCode::UserDisabled,
            Self::KeyDisabled => ErrorCode::KeyDisabled,
            Self::KeyExpired => ErrorCode::KeyExpired,
            Self::InvalidAction(_) => ErrorCode::InvalidAction,
            Self::TaskNotExist => ErrorCode::TaskNotExist,
            Self::QuotaNotEnough => ErrorCode::QuotaNotEnough,
            Self::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
            Self::TooManyAnswers
            | Self::TooManyRequests(_)
            | Self::TooManyAtOnce
            | Self::TooManyFailures(_) => ErrorCode::TooManyRequests,
            Self::TooManyTasks => ErrorCode::TooManyTasks,
            Self::NoAvailableChannel => ErrorCode::NoAvailableChannel,
            Self::Busy => ErrorCode::Busy,
            Self::Internal => ErrorCode::InternalError,
            _ => ErrorCode::InvalidRequest,
        }
    }

    /// After how many seconds another try is worth it, for `Retry-After`: of every 429 and 503.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests(seconds) | Self::TooManyFailures(seconds) => Some(*seconds),
            Self::Busy | Self::TooManyAnswers | Self::TooManyAtOnce => Some(1),
            // A task that waits has to be sent first.
            Self::TooManyTasks => Some(5),
            // An operator has to enable a channel first.
            Self::NoAvailableChannel => Some(30),
            _ => None,
        }
    }

    /// The error for a response of the framework, which only has a status.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NoSuchPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            StatusCode::REQUEST_TIMEOUT => Self::TooSlow,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadTooLarge,
            other if other.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

impl IntoResponse for ApiError {
    /// The status, with the error as an extension; [`crate::http::error_format::write`] adds the
    /// body.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    /// Logs the database's error and hides its cause from the client.
    fn from(error: StoreError) -> Self {
        match error {
            error if error.is_passing() => {
                tracing::warn!(%error, "the database cannot do this now; the client gets 503");
                Self::Busy
            }
            error => {
                tracing::error!(%error, "a request failed in the database");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_the_contract_has_the_status_of_the_contract() {
        for (error, code, status) in [
            (ApiError::NotAnObject, "invalid_request", 400),
            (
                ApiError::InvalidAction(Platform::SUNO),
                "invalid_action",
                400,
            ),
            (ApiError::TaskNotExist, "task_not_exist", 400),
            (ApiError::TokenUnknown, "invalid_token", 401),
            (ApiError::UserDisabled, "user_disabled", 403),
            (ApiError::KeyDisabled, "key_disabled", 403),
            (ApiError::KeyExpired, "key_expired", 403),
            (ApiError::QuotaNotEnough, "quota_not_enough", 403),
            (
                ApiError::IdempotencyKeyReused,
                "idempotency_key_reused",
                409,
            ),
            (ApiError::NoAvailableChannel, "no_available_channel", 503),
            (ApiError::TooManyAnswers, "too_many_requests", 429),
            (ApiError::TooManyRequests(7), "too_many_requests", 429),
            (ApiError::TooManyAtOnce, "too_many_requests", 429),
            (ApiError::TooManyFailures(7), "too_many_requests", 429),
            (ApiError::TooManyTasks, "too_many_tasks", 429),
            (ApiError::Internal, "internal_error", 500),
        ] {
            assert_eq!(error.code().to_string(), code);
            assert_eq!(error.status().as_u16(), status, "{code}");
            let waits = error.into_response().headers().contains_key("retry-after");
            assert_eq!(waits, [429, 503].contains(&status), "{code}");
        }
    }

    #[test]
    fn a_database_that_is_away_is_no_internal_error_and_any_other_failure_is() {
        let away = StoreError::from(sqlx::Error::PoolClosed);
        for passing in [StoreError::Busy, away] {
            assert_eq!(ApiError::from(passing), ApiError::Busy);
        }
        assert_eq!(ApiError::from(StoreError::Died), ApiError::Internal);
    }

    #[test]
    fn a_response_of_the_framework_keeps_its_status() {
        for status in [404, 405, 408, 413, 415, 431, 400, 500] {
            let status = StatusCode::from_u16(status).expect("it is a status");
            assert_eq!(ApiError::of_status(status).status(), status);
        }
    }
}
