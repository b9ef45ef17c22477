//! `X-Request-Id`: the caller's if it is sane, else a new one; on every answer, and on every log
//! line of the request.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use shared::random::Random;
use tracing::Instrument as _;

use crate::limits;
use crate::state::App;

/// The header's name.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id, and opens the span that every log line of it stands in.
pub(crate) async fn assign(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = of_caller(request.headers()).unwrap_or_else(|| new(&app.random));
    // At the level of errors, so that no filter on the log takes the id off a line.
    let span = tracing::error_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
    );
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// The caller's id, if it is 1 to 128 letters, digits, dots, underscores and hyphens.
fn of_caller(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let bytes = id.as_bytes();
    let is_sane = (1..=limits::REQUEST_ID).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    is_sane.then(|| id.clone())
}

/// A new id: 24 letters and digits.
fn new(random: &Random) -> HeaderValue {
    HeaderValue::from_str(&random.letters_and_digits(24))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(id: &str) -> bool {
        let mut headers = HeaderMap::new();
        let id = HeaderValue::from_bytes(id.as_bytes()).expect("it is a header");
        headers.insert(X_REQUEST_ID, id);
        of_caller(&headers).is_some()
    }

    #[test]
    fn sane_ids_are_the_callers() {
        assert!(taken("a") && taken("0b5e-A_z.9") && taken(&"x".repeat(limits::REQUEST_ID)));
    }

    #[test]
    fn other_ids_are_not() {
        assert!(!taken("") && !taken("a b") && !taken("a\tb") && !taken("编号"));
        assert!(!taken(&"x".repeat(limits::REQUEST_ID + 1)));
    }

    #[test]
    fn a_new_id_is_sane() {
        let id = new(&Random::seeded(1));
        assert!(taken(id.to_str().expect("it is ASCII")));
    }
}
