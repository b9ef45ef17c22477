//! Reads JSON bodies: media type, gzip, size, time (`docs/contract.md`, "Making music").

use std::io::Read as _;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;

use crate::error::{ApiError, Result};
use crate::limits::{BODY_BYTES, BODY_TIME};

/// Reads the bytes of a JSON body, unpacked. They are not parsed.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes> {
    is_json(headers)?;
    let is_gzip = is_gzip(headers)?;
    let arrived = tokio::time::timeout(BODY_TIME, collect(body)).await;
    let bytes = arrived.unwrap_or(Err(ApiError::TooSlow))?;
    if is_gzip { unpacked(&bytes) } else { Ok(bytes) }
}

/// The content of gzip data, if it has at most as many bytes as a body may have.
fn unpacked(gzip: &[u8]) -> Result<Bytes> {
    let most = u64::try_from(BODY_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(gzip)
        .take(most + 1)
        .read_to_end(&mut bytes);
    match read {
        Err(_) => Err(ApiError::BrokenGzip),
        Ok(length) if length > BODY_BYTES => Err(ApiError::TooLarge),
        Ok(_) => Ok(bytes.into()),
    }
}

async fn collect(body: Body) -> Result<Bytes> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        // The client closed the connection, or a chunk is malformed.
        let chunk = chunk.map_err(|_| ApiError::BadRequest)?;
        if bytes.len() + chunk.len() > BODY_BYTES {
            return Err(ApiError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// Fails unless the headers announce JSON: `application/json` or `application/…+json`, with no charset but
/// UTF-8. A body of no type is taken for JSON.
fn is_json(headers: &HeaderMap) -> Result<()> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().map(str::to_ascii_lowercase);
    let value = value.map_err(|_| ApiError::MediaType)?;
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    if !(essence.is_empty() || subtype == "json" || subtype.ends_with("+json")) {
        return Err(ApiError::MediaType);
    }
    let is_utf8 = |part: &str| match part.split_once('=') {
        Some(("charset", set)) => matches!(set.trim_matches('"'), "utf-8" | "utf8"),
        _ => true,
    };
    if parts.all(is_utf8) {
        Ok(())
    } else {
        Err(ApiError::Charset)
    }
}

/// Whether the body is gzip data. `Content-Encoding: identity` means that it is not compressed.
fn is_gzip(headers: &HeaderMap) -> Result<bool> {
    let mut is_gzip = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| ApiError::ContentEncoding)?;
        for coding in value.split(',') {
            match coding.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !is_gzip => is_gzip = true,
                _ => return Err(ApiError::ContentEncoding),
            }
        }
    }
    Ok(is_gzip)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn of_type(content_type: &'static str) -> HeaderMap {
        let value = HeaderValue::from_static(content_type);
        HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
    }

    #[test]
    fn json_is_known_by_its_media_type_and_no_type_counts_as_json() {
        for content_type in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/vnd.suno.v1+json",
            "",
        ] {
            assert_eq!(is_json(&of_type(content_type)), Ok(()), "{content_type}");
        }
        assert_eq!(is_json(&HeaderMap::new()), Ok(()));
    }

    #[test]
    fn other_media_types_and_charsets_are_refused() {
        for content_type in [
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json, text/plain",
        ] {
            let refused = Err(ApiError::MediaType);
            assert_eq!(is_json(&of_type(content_type)), refused, "{content_type}");
        }
        let gbk = is_json(&of_type("application/json; charset=gbk"));
        assert_eq!(gbk, Err(ApiError::Charset));
    }

    async fn read_as(coding: &'static str, body: Vec<u8>) -> Result<Bytes> {
        let mut headers = of_type("application/json");
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        read(&headers, Body::from(body)).await
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes).expect("a vector takes all");
        packed.finish().expect("a vector takes all")
    }

    #[tokio::test]
    async fn a_gzip_body_is_unpacked_up_to_the_size_of_a_body() {
        for coding in ["gzip", "GZIP", "identity, gzip"] {
            let read = read_as(coding, gzip(b"{}")).await;
            assert_eq!(read, Ok(Bytes::from_static(b"{}")), "{coding}");
        }
        for coding in ["identity", ""] {
            let read = read_as(coding, b"{}".to_vec()).await;
            assert_eq!(read, Ok(Bytes::from_static(b"{}")), "{coding}");
        }
        let bomb = read_as("gzip", gzip(&vec![b' '; BODY_BYTES + 1])).await;
        assert_eq!(bomb, Err(ApiError::TooLarge));
        for broken in [b"{}".to_vec(), gzip(b"{}")[..15].to_vec()] {
            assert_eq!(read_as("gzip", broken).await, Err(ApiError::BrokenGzip));
        }
        for coding in ["br", "deflate", "gzip, gzip"] {
            let refused = read_as(coding, gzip(b"{}")).await;
            assert_eq!(refused, Err(ApiError::ContentEncoding), "{coding}");
        }
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
