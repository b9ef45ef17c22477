//! `POST /suno/submit/music` and `POST /suno/submit/lyrics`.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde_json::Value;
use tracing::debug;

use super::{Payload, Shared, invalid_request, unreadable};
use crate::{
    answer::{self, Shape},
    clock::pause,
    fault::Fault,
    request::{Action, Request},
    secrets::Secrets,
    upstream::Upstream,
};

pub async fn music(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Action::Music, &headers, body).await
}

pub async fn lyrics(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Action::Lyrics, &headers, body).await
}

async fn submit(
    upstream: &Upstream,
    action: Action,
    headers: &HeaderMap,
    body: Payload,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(upstream, &rejection),
    };
    let request = match Request::read(action, &body) {
        Ok(request) => request,
        Err(message) => return invalid_request(upstream, &message),
    };
    let key = headers.get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok());
    let Some(decision) = upstream.submit(&request, &body, key) else {
        let message = "the task to continue does not exist";
        return answer::bad_request("task_not_exist", message);
    };
    debug!(title = request.marker(), task = ?decision.task, fault = ?decision.fault, "submit");
    pause(decision.latency).await;
    if let (Some(Fault::SubmitWait), Some(id)) = (decision.fault, decision.task) {
        upstream.wait_for_end(id).await;
    }
    let data = match decision.task {
        Some(_) if decision.fault == Some(Fault::SubmitNoId) => Value::from(""),
        Some(id) => Value::from(id.to_string()),
        None => Value::Null,
    };
    let secrets = Secrets::of(headers);
    let leak_to = decision.leaks.then_some(&secrets);
    answer::spoil(
        Shape::Suno,
        decision.fault,
        data,
        leak_to,
        &upstream.options,
    )
    .await
}
