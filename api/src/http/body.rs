//! Reads JSON bodies: media type, size, time (`docs/contract.md`, "Making music").

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;

use crate::error::{ApiError, Result};
use crate::limits::{BODY_BYTES, BODY_TIME};

/// The bytes of a too large body that are read and dropped before the connection is closed. A
/// client that still sends when the connection closes may miss the response.
const DRAINED_BYTES: usize = 4 * 1024 * 1024;

/// Reads the bytes of a JSON body. They are not parsed.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes> {
    if !is_json(headers) {
        return Err(ApiError::MediaType);
    }
    let arrived = tokio::time::timeout(BODY_TIME, collect(body)).await;
    arrived.unwrap_or(Err(ApiError::TooSlow))
}

async fn collect(body: Body) -> Result<Bytes> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(chunk) = stream.next().await {
        // The client closed the connection, or a chunk is malformed.
        let chunk = chunk.map_err(|_| ApiError::BadRequest)?;
        length += chunk.len();
        if length <= BODY_BYTES {
            bytes.extend_from_slice(&chunk);
        } else if length > DRAINED_BYTES {
            break;
        }
    }
    if length > BODY_BYTES {
        return Err(ApiError::TooLarge);
    }
    Ok(bytes.into())
}

/// Whether the headers announce JSON: `application/json` or `application/…+json`, with no charset
/// but UTF-8 and no `Content-Encoding`.
fn is_json(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let Some(value) = value.map(str::to_ascii_lowercase) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_json = match essence.strip_prefix("application/") {
        Some(subtype) => subtype == "json" || subtype.ends_with("+json"),
        None => false,
    };
    is_json
        && parts.all(|part| match part.split_once('=') {
            Some(("charset", set)) => matches!(set.trim_matches('"'), "utf-8" | "utf8"),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of_type(content_type: &'static str) -> HeaderMap {
        let value = HeaderValue::from_static(content_type);
        HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        for content_type in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/vnd.suno.v1+json",
        ] {
            assert!(is_json(&of_type(content_type)), "{content_type}");
        }
    }

    #[test]
    fn other_media_types_are_refused() {
        for content_type in [
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json; charset=gbk",
            "application/json, text/plain",
        ] {
            assert!(!is_json(&of_type(content_type)), "{content_type}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_compressed_body_is_refused() {
        let mut headers = of_type("application/json");
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_json(&headers));
    }

    #[tokio::test]
    async fn a_body_of_the_most_bytes_is_read_and_one_more_is_too_large() {
        let headers = of_type("application/json");
        let most = read(&headers, Body::from(vec![b' '; BODY_BYTES])).await;
        assert_eq!(most.map(|bytes| bytes.len()), Ok(BODY_BYTES));
        let more = read(&headers, Body::from(vec![b' '; BODY_BYTES + 1])).await;
        assert_eq!(more, Err(ApiError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_too_slow() {
        let never = Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>());
        let result = read(&of_type("application/json"), never).await;
        assert_eq!(result, Err(ApiError::TooSlow));
    }

    #[tokio::test]
    async fn an_endless_body_is_too_large() {
        let chunk = Bytes::from(vec![b' '; 64 * 1024]);
        let endless =
            futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        let refused = read(&of_type("application/json"), Body::from_stream(endless)).await;
        assert_eq!(refused, Err(ApiError::TooLarge));
    }
}
