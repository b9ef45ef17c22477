//! Refuses heads that are not right: those that do not name one host, and those that cannot be read or are
//! too large, for which no handler is called (`docs/contract.md`, "Callers and credentials").

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, Response, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use shared::process::http::exchange::OnBadHead;
use shared::process::http::host;
use shared::random::Random;

use crate::error::ApiError;
use crate::http::error_format::Surface;
use crate::http::i18n::Language;
use crate::http::{observe, request_id};

/// Refuses a request that does not name exactly one host.
pub(crate) async fn one_host(request: Request, next: Next) -> axum::response::Response {
    if host::is_named_once(&request) {
        next.run(request).await
    } else {
        ApiError::Host.into_response()
    }
}

/// The answer to a head that cannot be read, in the shape of the surface. Its language is not known.
pub fn on_bad_head(random: Arc<Random>) -> OnBadHead {
    Arc::new(move |status, start| {
        observe::count("none", "other", status);
        let error = ApiError::of_status(status);
        let language = Language::Chinese;
        let mut answer = Response::new(surface(start).json(&error, language));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let tag = HeaderValue::from_static(language.tag());
        headers.insert(header::CONTENT_LANGUAGE, tag);
        headers.insert(request_id::X_REQUEST_ID, request_id::new(&random));
        answer
    })
}

/// The surface of the path in the first bytes of a head.
fn surface(start: &[u8]) -> Surface {
    let start = String::from_utf8_lossy(start);
    let path = start.split(' ').nth(1).unwrap_or_default();
    Surface::of(path)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_head_that_cannot_be_read_is_answered_in_the_shape_of_its_path() {
        let answer = on_bad_head(Arc::new(Random::seeded(1)));
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        for (start, expected) in [
            (
                "POST /suno/submit/music HTTP/1.1",
                r#"{"code":"invalid_request","message":"请求头过大，最多 16 KiB","data":null}"#,
            ),
            (
                "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaa",
                r#"{"success":false,"message":"请求头过大，最多 16 KiB"}"#,
            ),
            (
                "",
                r#"{"success":false,"message":"请求头过大，最多 16 KiB"}"#,
            ),
        ] {
            let answer = answer(status, start.as_bytes());
            assert_eq!(answer.status(), status);
            assert_eq!(answer.body(), expected, "{start}");
            assert_eq!(answer.headers()["x-request-id"].len(), 24);
        }
    }
}
