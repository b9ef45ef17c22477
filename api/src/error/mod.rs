//! What clients are told when it goes wrong. Each error knows its status, its code (for
//! `/suno/*`) and its public text in both languages ([`text`]); nothing internal is in it.
//!
//! A handler returns an [`ApiError`]; [`crate::http::error_format`] writes it down in the shape of the surface
//! and the language of the client.

mod text;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::store::StoreError;

/// What handlers return.
pub type Result<T> = std::result::Result<T, ApiError>;

/// Everything that a client can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// No token or key came along.
    TokenMissing,
    /// The token or key is nobody's.
    TokenUnknown,
    /// `New-Api-User` is missing, no number, or not the token's user.
    UserHeader(UserHeader),
    /// The user is disabled.
    UserDisabled,
    /// The API key is disabled.
    KeyDisabled,
    /// The user is no admin.
    NotAdmin,
    /// Nothing is served at this path.
    NoSuchPath,
    /// The path is served, but not with this method.
    MethodNotAllowed,
    /// Bytes of the query string that don't decode.
    QueryEncoding,
    /// A parameter of the query string is not what it should be.
    Parameter(&'static str, Wanted),
    /// The body's media type is not JSON.
    MediaType,
    /// The body is larger than [`crate::limits::BODY_BYTES`].
    TooLarge,
    /// The body did not come within [`crate::limits::BODY_TIME`].
    TooSlow,
    /// The body is no JSON.
    BrokenJson {
        /// The line where it breaks.
        line: usize,
        /// The column where it breaks.
        column: usize,
    },
    /// The body is JSON, but no object.
    NotAnObject,
    /// A field of the body is not what it should be.
    Field(&'static str, Wanted),
    /// More ids than [`crate::limits::FETCH_IDS`].
    TooManyIds(usize),
    /// Lyrics without a prompt.
    LyricsWithoutPrompt,
    /// A song with no prompt, no description and no continuation.
    SongWithoutPrompt,
    /// `Idempotency-Key` is not 1 to 255 printable ASCII characters.
    IdempotencyKey,
    /// The request does not read; what else is wrong with it nobody knows.
    BadRequest,
    /// The action is none of ours.
    InvalidAction,
    /// The user has no such task.
    TaskNotExist,
    /// The task to be continued was never accepted by an upstream.
    NothingToContinue,
    /// The user's quota, or the key's, does not suffice.
    QuotaNotEnough,
    /// The idempotency key came before with another request.
    IdempotencyKeyReused,
    /// No enabled channel serves the platform.
    NoAvailableChannel,
    /// Too much is going on; nothing was done.
    Busy,
    /// Our fault. What it was is in the log.
    Internal,
}

/// What is wrong with `New-Api-User`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserHeader {
    /// It is missing or no number.
    NotANumber,
    /// It is not the token's user.
    NotTheirs,
}

/// What a parameter or field should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A whole number.
    WholeNumber,
    /// A finite number.
    Number,
    /// True or false.
    Flag,
    /// Text.
    Text,
    /// Text without NUL characters, which no database of ours can hold.
    TextWithoutNul,
    /// An array of strings.
    Strings,
    /// One of the seven statuses.
    Status,
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TokenMissing | Self::TokenUnknown | Self::UserHeader(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::UserDisabled | Self::KeyDisabled | Self::NotAdmin | Self::QuotaNotEnough => {
                StatusCode::FORBIDDEN
            }
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::IdempotencyKeyReused => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::QueryEncoding
            | Self::Parameter(..)
            | Self::BrokenJson { .. }
            | Self::NotAnObject
            | Self::Field(..)
            | Self::TooManyIds(_)
            | Self::LyricsWithoutPrompt
            | Self::SongWithoutPrompt
            | Self::IdempotencyKey
            | Self::BadRequest
            | Self::InvalidAction
            | Self::TaskNotExist
            | Self::NothingToContinue => StatusCode::BAD_REQUEST,
            Self::NoAvailableChannel | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code, one of the contract's table (section 3). What the table does not name is either
    /// the request's fault, `invalid_request`, or ours, `internal_error`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing | Self::TokenUnknown | Self::UserHeader(_) => "invalid_token",
            Self::UserDisabled => "user_disabled",
            Self::KeyDisabled => "key_disabled",
            Self::InvalidAction => "invalid_action",
            Self::TaskNotExist => "task_not_exist",
            Self::QuotaNotEnough => "quota_not_enough",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::NoAvailableChannel => "no_available_channel",
            Self::Busy | Self::Internal => "internal_error",
            _ => "invalid_request",
        }
    }

    /// The error that `status` alone stands for: for answers that no code of ours made.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NoSuchPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            StatusCode::REQUEST_TIMEOUT => Self::TooSlow,
            other if other.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

impl IntoResponse for ApiError {
    /// The status and the error itself as an extension; [`crate::http::error_format::write`] gives it a body.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        match self {
            Self::TokenMissing | Self::TokenUnknown | Self::UserHeader(_) => {
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
            }
            Self::Busy => {
                let seconds = HeaderValue::from_static("1");
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    /// Here a failure of the database is handled: logged with the request around it, and kept from
    /// the client.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Contended(_) => {
                tracing::warn!(%error, "answered that we are busy");
                Self::Busy
            }
            error => {
                tracing::error!(%error, "the database failed a request");
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
            (ApiError::InvalidAction, "invalid_action", 400),
            (ApiError::TaskNotExist, "task_not_exist", 400),
            (ApiError::TokenUnknown, "invalid_token", 401),
            (ApiError::UserDisabled, "user_disabled", 403),
            (ApiError::KeyDisabled, "key_disabled", 403),
            (ApiError::QuotaNotEnough, "quota_not_enough", 403),
            (
                ApiError::IdempotencyKeyReused,
                "idempotency_key_reused",
                409,
            ),
            (ApiError::NoAvailableChannel, "no_available_channel", 503),
            (ApiError::Internal, "internal_error", 500),
        ] {
            assert_eq!((error.code(), error.status().as_u16()), (code, status));
        }
    }

    #[test]
    fn a_busy_database_is_no_fault_and_any_other_failure_is() {
        assert_eq!(ApiError::from(StoreError::Busy), ApiError::Busy);
        assert_eq!(ApiError::from(StoreError::Died), ApiError::Internal);
    }

    #[test]
    fn an_answer_that_no_code_of_ours_made_keeps_its_status() {
        for status in [404, 405, 408, 413, 415, 400, 500] {
            let status = StatusCode::from_u16(status).expect("it is a status");
            assert_eq!(ApiError::of_status(status).status(), status);
        }
    }
}
