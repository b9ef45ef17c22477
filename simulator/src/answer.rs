//! HTTP answers, sound and broken.

use std::{convert::Infallible, future::pending, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Serialize;
use serde_json::json;

use crate::{
    clock::pause, connection::Cut, dialects::Dialect, fault::Fault, options::Options,
    secrets::Secrets,
};

const FILL: &[u8] = &[b'x'; 64 * 1024];
const FILLS_PER_MEGABYTE: u32 = 16;
/// The pause between half an answer and the end of its connection, so that the half is sent.
const PAUSE_BEFORE_CUT: Duration = Duration::from_millis(50);

/// How long a gateway waits for the server behind it.
const LATE: Duration = Duration::from_secs(6);
const TOO_LONG: &str = "the lyrics are too long";

/// Private characters stand for what no JSON value can hold, until the answer is written.
pub const RAW_TEXT: &str = "\u{e000}";
pub const NOT_A_NUMBER: &str = "\u{e001}";
pub const DEEP: &str = "\u{e002}";
const LEVELS: usize = 200_000;

/// Answers with `data`, spoiled by the fault. A fault that only changes the data itself is the caller's part: it
/// has no effect here. With `leak_to`, error messages print these secrets.
pub async fn spoil(
    dialect: &Dialect,
    fault: Option<Fault>,
    data: impl Serialize,
    leak_to: Option<&Secrets>,
    options: &Options,
) -> Response {
    let Some(fault) = fault else {
        return json_bytes(bytes_of(dialect, &data));
    };
    if let Some((status, code, message)) = refusal(fault) {
        let message =
            leak_to.map_or_else(|| message.to_owned(), |secrets| secrets.leak(message, None));
        let mut response = (dialect.error)(status, code, &message);
        if let Fault::Submit429RetryAfter | Fault::Fetch429RetryAfter = fault {
            let seconds = number(options.retry_after.as_millis().div_ceil(1_000));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        return response;
    }
    match fault {
        Fault::Submit502 | Fault::Fetch502 => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        Fault::Submit504 => page(StatusCode::GATEWAY_TIMEOUT, "504 Gateway Time-out"),
        Fault::SubmitLate502 => {
            pause(LATE).await;
            page(StatusCode::BAD_GATEWAY, "502 Bad Gateway")
        }
        Fault::SubmitDetail => {
            let detail = json!({"detail": [{"loc": ["body", "prompt"], "msg": TOO_LONG}]});
            (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(detail)).into_response()
        }
        Fault::SubmitHtml | Fault::FetchHtml => page(StatusCode::OK, "Back soon"),
        Fault::SubmitEmpty | Fault::FetchEmpty => StatusCode::OK.into_response(),
        Fault::SubmitDropBefore | Fault::SubmitDropAfter | Fault::FetchDrop => cut(),
        Fault::SubmitHangBefore | Fault::SubmitHangAfter | Fault::FetchHang => pending().await,
        Fault::SubmitTorn | Fault::FetchTorn => torn(&bytes_of(dialect, &data)),
        Fault::SubmitDrip | Fault::FetchDrip => drip(bytes_of(dialect, &data), options.drip),
        Fault::SubmitHuge | Fault::FetchHuge => huge(dialect, &data, options.huge),
        Fault::FetchGarbage => garbage(&bytes_of(dialect, &data)),
        _ => json_bytes(bytes_of(dialect, &data)),
    }
}

/// Status, code and message of a fault that is a plain error.
fn refusal(fault: Fault) -> Option<(StatusCode, &'static str, &'static str)> {
    use Fault as F;
    let (status, code, message) = match fault {
        F::Submit429 | F::Submit429RetryAfter | F::Fetch429 | F::Fetch429RetryAfter => {
            (429, "rate_limited", "too many requests, slow down")
        }
        F::Submit500 | F::Fetch500 => (500, "internal_error", "something went wrong"),
        F::Submit503 | F::Fetch503 => (503, "service_unavailable", "all accounts are busy"),
        F::Submit401 | F::Fetch401 => (401, "invalid_token", "the key is wrong"),
        F::Submit402 | F::Fetch402 => (402, "insufficient_credits", "the account is out of credit"),
        F::Submit403 | F::Fetch403 => (403, "account_banned", "the account is banned"),
        F::SubmitRefuse => {
            let message = "the prompt was refused by moderation";
            (400, "invalid_request", message)
        }
        F::Submit404 => (404, "not_found", "there is no such model"),
        F::Fetch404 | F::Batch404 => (404, "task_not_exist", "a task of the batch does not exist"),
        F::Submit422 => (422, "unprocessable", TOO_LONG),
        F::Submit408 => (
            408,
            "timeout",
            "the server behind this gateway did not answer",
        ),
        F::SubmitCode | F::FetchCode => {
            (200, "internal_error", "something went wrong, but politely")
        }
        _ => return None,
    };
    Some((StatusCode::from_u16(status).ok()?, code, message))
}

fn bytes_of(dialect: &Dialect, data: &impl Serialize) -> Bytes {
    // Texts and printed tasks always serialize.
    let data = serde_json::to_string(data).unwrap_or_default();
    let (head, tail) = (dialect.halves)(&data);
    let bytes = format!("{head}{tail}").into_bytes();
    // The first byte of the private characters.
    if bytes.contains(&0xee) {
        raw(&bytes).into()
    } else {
        bytes.into()
    }
}

/// The answer with what the private characters stand for.
fn raw(answer: &[u8]) -> Vec<u8> {
    let deep = [vec![b'['; LEVELS], vec![b']'; LEVELS]].concat();
    let mut answer = answer.to_vec();
    for (what, raw) in [
        (RAW_TEXT.to_owned(), &b"two\nlines \xff \\ud83c"[..]),
        (format!("\"{NOT_A_NUMBER}\""), b"NaN"),
        (format!("\"{DEEP}\""), &deep),
    ] {
        let what = what.as_bytes();
        while let Some(at) = answer.windows(what.len()).position(|bytes| bytes == what) {
            answer.splice(at..at + what.len(), raw.iter().copied());
        }
    }
    answer
}

fn json_bytes(bytes: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], bytes.into()).into_response()
}

fn page(status: StatusCode, title: &str) -> Response {
    let html = format!(
        "<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center><hr></body></html>"
    );
    (status, axum::response::Html(html)).into_response()
}

/// No answer: the connection ends.
fn cut() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Cut);
    response
}

/// The head and half of the body; then the connection ends.
fn torn(answer: &Bytes) -> Response {
    let length = answer.len();
    let half = answer.slice(..length / 2);
    let body = stream::unfold(Some(half), |half| async move {
        let Some(half) = half else {
            pause(PAUSE_BEFORE_CUT).await;
            return Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None));
        };
        Some((Ok(half), None))
    });
    let mut response = json_bytes(Body::from_stream(body));
    let length = number(length as u128);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response
}

/// The body byte by byte.
fn drip(answer: Bytes, every: Duration) -> Response {
    let body = stream::unfold(answer, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        let byte = left.split_to(1);
        pause(every).await;
        Some((Ok::<_, Infallible>(byte), left))
    });
    json_bytes(Body::from_stream(body))
}

/// A success whose message has megabytes. The body is made while it is read and takes no memory.
fn huge(dialect: &Dialect, data: &impl Serialize, megabytes: u32) -> Response {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    let (head, tail) = (dialect.halves)(&data);
    let (head, tail) = (Bytes::from_static(head.as_bytes()), Bytes::from(tail));
    let fill = (0..megabytes.saturating_mul(FILLS_PER_MEGABYTE)).map(|_| Bytes::from_static(FILL));
    let chunks = [head].into_iter().chain(fill).chain([tail]);
    let chunks = stream::iter(chunks.map(Ok::<_, Infallible>));
    json_bytes(Body::from_stream(chunks))
}

/// JSON that breaks off inside an escape.
fn garbage(answer: &[u8]) -> Response {
    let mut bytes = answer[..answer.len() * 2 / 3].to_vec();
    bytes.extend_from_slice(br"\u00");
    json_bytes(bytes)
}

fn number(number: u128) -> HeaderValue {
    HeaderValue::try_from(number.to_string()).unwrap_or(HeaderValue::from_static("0"))
}
