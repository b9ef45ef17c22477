//! The platform `mureka`, under `/v1`.

mod print;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use super::{Dialect, beside, fields, reprinted};
use crate::{
    request::{Action, Request},
    routes::{Shared, fetch::one, submit::submits},
    upstream::Upstream,
};

/// An HTTP status, and the data as the whole body; in calls that make a song.
pub const DIALECT: Dialect = Dialect {
    about: "/v1/…        the platform mureka; a 402 comes as a 429 that speaks of the quota
               (directives stand in `title`, else in `lyrics`, `prompt` or `url`)",
    routes,
    scheme: "Bearer",
    request: |action, body| request(action, body, &[&["lyrics"]]),
    accepted: |id, _| json!({ "id": id, "status": "preparing" }),
    result_at_once: None,
    printed: |task| reprinted(task, print::task),
    status_of_unknown_task: Some(StatusCode::NOT_FOUND),
    halves: |data| (r#"{"trace_id":""#, beside(data)),
    error,
    call_back: None,
};

/// In calls that make music without a voice.
const INSTRUMENTAL: Dialect = Dialect {
    request: |action, body| request(action, body, &[&["prompt", "instrumental_id"]]),
    ..DIALECT
};

/// In calls that make more of a song.
const EXTEND: Dialect = Dialect {
    request: |action, body| {
        request(
            action,
            body,
            &[&["lyrics"], &["song_id", "upload_audio_id"]],
        )
    },
    ..DIALECT
};

/// In calls that make the tracks of a song: the answer comes once they are done.
const STEM: Dialect = Dialect {
    request: |action, body| request(action, body, &[&["url"]]),
    result_at_once: Some(print::stems),
    ..DIALECT
};

/// In calls that make lyrics: the answer comes once they are done.
const LYRICS: Dialect = Dialect {
    request: |action, body| request(action, body, &[&["prompt"]]),
    result_at_once: Some(print::lyrics),
    ..DIALECT
};

const TRACE: &str = "6f1d0d5c7b4e4f0f";

/// Fields of the platform, and their names in Suno's dialect.
const FIELDS: &[(&str, &str)] = &[
    ("title", "title"),
    ("model", "mv"),
    ("song_id", "continue_clip_id"),
    ("extend_at", "continue_at"),
    ("style", "tags"),
];

fn routes() -> Router<Arc<Upstream>> {
    let music = |dialect| submits(dialect, Action::Music);
    Router::new()
        .route("/v1/song/generate", music(&DIALECT))
        .route("/v1/instrumental/generate", music(&INSTRUMENTAL))
        .route("/v1/song/extend", music(&EXTEND))
        .route("/v1/song/stem", music(&STEM))
        .route("/v1/lyrics/generate", submits(&LYRICS, Action::Lyrics))
        .route("/v1/song/query/{id}", one(&DIALECT))
        .route("/v1/instrumental/query/{id}", one(&DIALECT))
        .route("/v1/account/billing", get(billing))
}

async fn billing(State(upstream): Shared) -> Json<Value> {
    Json(print::account(upstream.options.places))
}

/// Reads the body of a submit, which has one field of each of these lists. The error is the message for the client.
fn request(action: Action, body: &[u8], needs: &[&[&str]]) -> Result<Request, String> {
    let theirs = fields(body)?;
    for one_of in needs {
        if !one_of.iter().any(|name| text(&theirs, name).is_some()) {
            return Err(format!("{} is required", one_of.join(" or ")));
        }
    }
    let mut names = needs.iter().flat_map(|one_of| one_of.iter());
    let words = names.find_map(|name| text(&theirs, name));
    let mut ours = json!({ "prompt": words });
    for (from, to) in FIELDS {
        if let Some(value) = theirs.get(*from) {
            ours[to] = value.clone();
        }
    }
    if action != Action::Lyrics && text(&theirs, "lyrics").is_some() {
        ours["tags"] = theirs.get("prompt").cloned().unwrap_or_default();
    }
    Request::read(action, ours.to_string().as_bytes())
}

/// A text that is there and not empty.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn error(status: StatusCode, _: &str, message: &str) -> Response {
    // The platform has one status for too many calls and for an empty account.
    let (status, message) = match status {
        StatusCode::PAYMENT_REQUIRED => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("{message}: check your quota and your billing details"),
        ),
        other => (other, message.to_owned()),
    };
    let body = json!({ "error": { "message": message }, "trace_id": TRACE });
    (status, Json(body)).into_response()
}
