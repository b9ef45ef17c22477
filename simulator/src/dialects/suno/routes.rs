//! `POST /suno/fetch`, and submits that are answered with more than an id.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use serde_json::json;
use tracing::debug;

use super::Suno;
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
    submit_with(&upstream, &Suno, action, &headers, body, answered).await
}

/// Makes a persona at once.
pub async fn persona(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let action = Action::Other("PERSONA");
    let answered =
        |request: &Request, id: Id| json!({ "id": id.clip(0), "name": request.body.name });
    submit_with(&upstream, &Suno, action, &headers, body, answered).await
}

#[derive(Deserialize)]
struct Body {
    ids: Vec<String>,
}

/// Tells of many tasks.
pub async fn fetch(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let body = match body_of(&upstream, &Suno, body) {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let ids = match serde_json::from_slice(&body) {
        Ok(Body { ids }) => ids,
        Err(error) => {
            let message = format!("the body can't be read: {error}");
            return invalid_request(&upstream, &Suno, &message);
        }
    };
    let Some(batch) = upstream.fetch(&ids) else {
        return too_many_ids(&upstream, &Suno);
    };
    debug!(ids = ids.len(), fault = ?batch.fault, "fetch");
    pause(batch.latency).await;
    let secrets = Secrets::of(&headers);
    let tasks = print(&batch, &secrets);
    let data = (batch.fault != Some(Fault::FetchNull)).then_some(tasks);
    let leak_to = batch.leaks.then_some(&secrets);
    answer::spoil(&Suno, batch.fault, data, leak_to, &upstream.options).await
}
