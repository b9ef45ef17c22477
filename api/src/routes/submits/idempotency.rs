//! `Idempotency-Key`: a repeated request is one task (`docs/contract.md`, "Making music").

use axum::http::HeaderMap;
use shared::json;
use shared::secret::SecretDigest;
use shared::store::submissions::Idempotency;
use shared::task::Action;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Schema};

use crate::error::{ApiError, Result};
use crate::limits;
use crate::routes::IDEMPOTENCY_KEY;

/// The schema of the key, for `/openapi.json`. HTTP removes white space around it.
pub(crate) fn schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(limits::IDEMPOTENCY_KEY))
        .pattern(Some("^[!-~]([ -~]*[!-~])?$"))
        .into()
}

/// The request's key, if it has one: 1 to 255 printable ASCII characters, the space included. Two
/// requests are the same if they have the same action, by any of its names, and the same JSON in the
/// body, in whatever order, spacing and escapes.
pub(crate) fn from_request(
    headers: &HeaderMap,
    action: Action,
    body: &[u8],
) -> Result<Option<Idempotency>> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let is_printable = key
        .as_bytes()
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte));
    if keys.next().is_some() || !is_printable || !(1..=limits::IDEMPOTENCY_KEY).contains(&key.len())
    {
        return Err(ApiError::IdempotencyKey);
    }
    let key = key.to_str().map_err(|_| ApiError::IdempotencyKey)?;
    let digest = |body: &[u8]| SecretDigest::of([action.as_str().as_bytes(), b"\n", body].concat());
    Ok(Some(Idempotency {
        key: key.to_owned(),
        request: digest(body),
        meaning: json::canonical(body).map(|json| digest(json.as_bytes())),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(keys: &[&[u8]]) -> Result<Option<String>> {
        let mut headers = HeaderMap::new();
        for key in keys {
            let key = HeaderValue::from_bytes(key).expect("it is a header");
            headers.append(IDEMPOTENCY_KEY, key);
        }
        Ok(from_request(&headers, Action::SONG, b"{}")?.map(|found| found.key))
    }

    #[test]
    fn printable_keys_of_1_to_255_characters_are_taken() {
        let longest = "~".repeat(limits::IDEMPOTENCY_KEY);
        for key in ["a", "order 17/a", longest.as_str()] {
            assert_eq!(of(&[key.as_bytes()]), Ok(Some(key.to_owned())));
        }
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn other_keys_are_refused() {
        let too_long = "x".repeat(limits::IDEMPOTENCY_KEY + 1);
        for key in [&b""[..], b"a\tb", "键".as_bytes(), too_long.as_bytes()] {
            assert_eq!(of(&[key]), Err(ApiError::IdempotencyKey), "{key:?}");
        }
        assert_eq!(of(&[b"a", b"a"]), Err(ApiError::IdempotencyKey));
    }

    #[test]
    fn action_and_body_make_the_request() {
        let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, HeaderValue::from_static("k"))]);
        let request = |action, body: &[u8]| {
            let found = from_request(&headers, action, body).expect("the key is good");
            let found = found.expect("it has a key");
            (found.request, found.meaning)
        };
        let first = request(Action::SONG, b"{}");
        assert_eq!(first, request(Action::SONG, b"{}"));
        let spaced = request(Action::SONG, b"{ }");
        assert_ne!(first.0, spaced.0);
        assert_eq!(first.1, spaced.1);
        let lyrics = request(Action::LYRICS, b"{}");
        assert!(first.0 != lyrics.0 && first.1 != lyrics.1);
        assert_eq!(request(Action::SONG, b"{").1, None);
    }
}
