//! `GET /suno/act/{kind}/{clip}`: a file or a timing of a clip, which is there some time after it was asked for first.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use super::Suno;
use crate::{answer, clock::pause, dialects::Dialect, routes::Shared, secrets::Secrets};

pub async fn act(
    State(upstream): Shared,
    Path((kind, clip)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let data = match kind.as_str() {
        "wav" | "mp4" => format!("https://cdn.suno.example/{clip}.{kind}").into(),
        "timing" => json!({ "aligned_words": [{ "word": "la", "start_s": 0.5, "end_s": 1.0 }] }),
        _ => return Suno.error(StatusCode::NOT_FOUND, "not_found", "there is no such file"),
    };
    let asked = upstream.act(&format!("{kind}/{clip}"));
    pause(asked.latency).await;
    let data = if asked.is_there { data } else { Value::Null };
    let secrets = Secrets::of(&headers);
    let leak_to = asked.leaks.then_some(&secrets);
    answer::spoil(&Suno, asked.fault, data, leak_to, &upstream.options).await
}
