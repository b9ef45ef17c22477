//! Submits: `POST /suno/submit/music` and `/lyrics`, and those of the other dialects.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::Value;
use tracing::debug;

use super::{Payload, Shared, body_of, invalid_request};
use crate::{
    answer::{self, Shape},
    clock::pause,
    fault::Fault,
    request::Action,
    secrets::Secrets,
    upstream::Upstream,
};

pub async fn music(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::Suno, Action::Music, &headers, body).await
}

pub async fn lyrics(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::Suno, Action::Lyrics, &headers, body).await
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
    upstream: &Upstream,
    shape: Shape,
    action: Action,
    headers: &HeaderMap,
    body: Payload,
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
    pause(decision.latency).await;
    if let (Some(Fault::SubmitWait), Some(id)) = (decision.fault, decision.task) {
        upstream.wait_for_end(id).await;
    }
    let secrets = Secrets::of(headers);
    let data = match decision.task {
        Some(id) if shape.answers_with_the_result() && is_told(decision.fault) => {
            upstream.wait_for_end(id).await;
            let result = upstream.print(id, &secrets).map(|task| shape.result(&task));
            match result {
                Some(Ok(result)) => result,
                Some(Err(message)) => {
                    return shape.error(StatusCode::BAD_REQUEST, "failed", &message);
                }
                None => Value::Null,
            }
        }
        Some(_) if decision.fault == Some(Fault::SubmitNoId) => {
            shape.accepted(String::new(), &secrets)
        }
        Some(id) => shape.accepted(id.to_string(), &secrets),
        None => Value::Null,
    };
    let leak_to = decision.leaks.then_some(&secrets);
    answer::spoil(shape, decision.fault, data, leak_to, &upstream.options).await
}
