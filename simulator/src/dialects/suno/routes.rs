//! `POST /suno/fetch`, files of clips, and submits that are answered with more than an id.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;

use super::{DIALECT, error};
use crate::{
    answer,
    clock::pause,
    fault::Fault,
    id::Id,
    request::{Action, Request},
    routes::{
        Payload, Shared, body_of,
        fetch::{print, too_many_ids},
        invalid_request,
        submit::submit_with,
    },
    secrets::Secrets,
};

/// The word in the address of an upload that is a clip at once.
const AT_ONCE: &str = "at-once";
/// The word in the address of an upload whose id is a clip's and not a task's.
const IS_CLIP: &str = "is-clip";

/// Takes an audio file by its address.
pub async fn upload(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let action = Action::Other("UPLOAD");
    let answered = |request: &Request, id: Id| {
        let address = request.body.url.as_deref().unwrap_or_default();
        if address.contains(AT_ONCE) {
            return json!({ "clip_id": id.clip(0) });
        }
        if address.contains(IS_CLIP) {
            id.clip(0)
        } else {
            id
        }
        .to_string()
        .into()
    };
    submit_with(&upstream, &DIALECT, action, &headers, body, answered).await
}

/// Makes a persona at once.
pub async fn persona(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let action = Action::Other("PERSONA");
    let answered =
        |request: &Request, id: Id| json!({ "id": id.clip(0), "name": request.body.name });
    submit_with(&upstream, &DIALECT, action, &headers, body, answered).await
}

#[derive(Deserialize)]
struct Body {
    ids: Vec<String>,
}

/// Tells of many tasks.
pub async fn fetch(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let body = match body_of(&upstream, &DIALECT, body) {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let ids = match serde_json::from_slice(&body) {
        Ok(Body { ids }) => ids,
        Err(error) => {
            let message = format!("the body can't be read: {error}");
            return invalid_request(&upstream, &DIALECT, &message);
        }
    };
    let Some(batch) = upstream.fetch(&ids) else {
        return too_many_ids(&upstream, &DIALECT);
    };
    debug!(ids = ids.len(), fault = ?batch.fault, "fetch");
    pause(batch.latency).await;
    let secrets = Secrets::of(&headers);
    let tasks = print(&batch, &secrets);
    let data = (batch.fault != Some(Fault::FetchNull)).then_some(tasks);
    let leak_to = batch.leaks.then_some(&secrets);
    answer::spoil(&DIALECT, batch.fault, data, leak_to, &upstream.options).await
}

/// A file or a timing of a clip, which is there some time after it was asked for first.
pub async fn act(
    State(upstream): Shared,
    Path((kind, clip)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let data = match kind.as_str() {
        "wav" | "mp4" => format!("https://cdn.suno.example/{clip}.{kind}").into(),
        "timing" => json!({ "aligned_words": [{ "word": "la", "start_s": 0.5, "end_s": 1.0 }] }),
        _ => return error(StatusCode::NOT_FOUND, "not_found", "there is no such file"),
    };
    let asked = upstream.act(&format!("{kind}/{clip}"));
    pause(asked.latency).await;
    let data = if asked.is_there { data } else { Value::Null };
    let secrets = Secrets::of(&headers);
    let leak_to = asked.leaks.then_some(&secrets);
    answer::spoil(&DIALECT, asked.fault, data, leak_to, &upstream.options).await
}
