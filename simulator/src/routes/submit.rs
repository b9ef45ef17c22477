//! Submits: those under `/suno`, and those of the other dialects.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use tracing::debug;

use super::{Payload, Shared, body_of, invalid_request};
use crate::{
    answer::{self, Shape},
    call_back,
    clock::pause,
    fault::Fault,
    id::Id,
    request::{Action, Request},
    secrets::Secrets,
    upstream::Upstream,
};

pub async fn music(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::Suno, Action::Music, &headers, body).await
}

pub async fn lyrics(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::Suno, Action::Lyrics, &headers, body).await
}

pub async fn concat(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(
        &upstream,
        Shape::Suno,
        Action::Other("CONCAT"),
        &headers,
        body,
    )
    .await
}

pub async fn stems(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(
        &upstream,
        Shape::Suno,
        Action::Other("STEMS"),
        &headers,
        body,
    )
    .await
}

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
    submit_with(&upstream, Shape::Suno, action, &headers, body, answered).await
}

/// Makes a persona at once.
pub async fn persona(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let action = Action::Other("PERSONA");
    let answered =
        |request: &Request, id: Id| json!({ "id": id.clip(0), "name": request.body.name });
    submit_with(&upstream, Shape::Suno, action, &headers, body, answered).await
}

/// Whether the answer with this fault tells what was made.
fn is_told(fault: Option<Fault>) -> bool {
    use Fault::{SubmitDrip, SubmitHuge, SubmitTorn, SubmitWait};
    matches!(
        fault,
        None | Some(SubmitTorn | SubmitDrip | SubmitHuge | SubmitWait)
    )
}

/// Takes a submit, as a dialect writes it.
pub async fn submit(
    upstream: &Arc<Upstream>,
    shape: Shape,
    action: Action,
    headers: &HeaderMap,
    body: Payload,
) -> Response {
    let secrets = Secrets::of(headers);
    let answered = |_: &Request, id: Id| shape.accepted(id.to_string(), &secrets);
    submit_with(upstream, shape, action, headers, body, answered).await
}

/// As [`submit`], with an answer of its own.
async fn submit_with(
    upstream: &Arc<Upstream>,
    shape: Shape,
    action: Action,
    headers: &HeaderMap,
    body: Payload,
    answered: impl Fn(&Request, Id) -> Value,
) -> Response {
    let body = match body_of(upstream, shape, body) {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let request = match shape.request(action, &body) {
        Ok(request) => request,
        Err(message) => return invalid_request(upstream, shape, &message),
    };
    let key = headers.get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok());
    let Some(decision) = upstream.submit(&request, &body, key) else {
        let message = "the task to continue does not exist";
        return shape.error(StatusCode::BAD_REQUEST, "task_not_exist", message);
    };
    debug!(title = request.marker(), task = ?decision.task, fault = ?decision.fault, "submit");
    if let (Some(id), Some(address)) = (decision.task, &request.body.call_back_url) {
        call_back::when_it_ends(upstream, id, address);
    }
    pause(decision.latency).await;
    if let (Some(Fault::SubmitWait), Some(id)) = (decision.fault, decision.task) {
        upstream.wait_for_end(id).await;
    }
    let secrets = Secrets::of(headers);
    let leak_to = decision.leaks.then_some(&secrets);
    let data = match decision.task {
        Some(id) if shape.answers_with_the_result() && is_told(decision.fault) => {
            upstream.wait_for_end(id).await;
            let result = upstream.print(id).map(|task| shape.result(&task));
            match result {
                Some(Ok(result)) => result,
                Some(Err(message)) => {
                    let leaked = leak_to.map(|secrets| secrets.leak(&message, None));
                    let message = leaked.unwrap_or(message);
                    return shape.error(StatusCode::BAD_REQUEST, "failed", &message);
                }
                None => Value::Null,
            }
        }
        Some(_) if decision.fault == Some(Fault::SubmitNoId) => {
            shape.accepted(String::new(), &secrets)
        }
        Some(id) => answered(&request, id),
        None => Value::Null,
    };
    answer::spoil(shape, decision.fault, data, leak_to, &upstream.options).await
}
