//! `X-Request-Id`: taken from the caller if it is valid, else a new one. It is on every response
//! and on every log line of the request.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use shared::process::telemetry::cut;
use shared::random::Random;
use tracing::{Instrument as _, field};

use crate::http::observe;
use crate::limits;
use crate::state::App;

/// The header with the id of a request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id and opens the span of its log lines.
pub(crate) async fn assign(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = from_caller(request.headers()).unwrap_or_else(|| new(&app.random));
    // At the error level, so that no log filter drops the span, and with it the id.
    let span = tracing::error_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = observe::name(request.method()),
        path = &*cut(request.uri().path(), limits::LOGGED_PATH),
        // Known once the credential is.
        user = field::Empty,
        key = field::Empty,
    );
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// The caller's id, if there is one, of 1 to 128 letters, digits, dots, underscores and hyphens.
fn from_caller(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    let (Some(id), None) = (ids.next(), ids.next()) else {
        return None;
    };
    let bytes = id.as_bytes();
    let is_valid = (1..=limits::REQUEST_ID).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    is_valid.then(|| id.clone())
}

/// A new id: 24 letters and digits.
pub(crate) fn new(random: &Random) -> HeaderValue {
    HeaderValue::from_str(&random.letters_and_digits(24))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(id: &str) -> bool {
        let mut headers = HeaderMap::new();
        let id = HeaderValue::from_bytes(id.as_bytes()).expect("it is a header");
        headers.insert(X_REQUEST_ID, id);
        from_caller(&headers).is_some()
    }

    #[test]
    fn a_valid_id_is_taken_from_the_caller() {
        let longest = "x".repeat(limits::REQUEST_ID);
        for id in ["a", "0b5e-A_z.9", &longest] {
            assert!(is_taken(id), "{id}");
        }
    }

    #[test]
    fn an_invalid_id_is_not() {
        assert!(!is_taken("") && !is_taken("a b") && !is_taken("a\tb") && !is_taken("编号"));
        assert!(!is_taken(&"x".repeat(limits::REQUEST_ID + 1)));
    }

    #[test]
    fn a_new_id_is_valid() {
        let id = new(&Random::seeded(1));
        assert!(is_taken(id.to_str().expect("it is ASCII")));
    }
}
