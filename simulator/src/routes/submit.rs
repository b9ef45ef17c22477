//! Submits of all dialects.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{MethodRouter, post},
};
use serde_json::Value;
use tracing::debug;

use super::{Payload, Shared, body_of, invalid_request};
use crate::{
    answer, call_back,
    clock::pause,
    dialects::{self, Dialect},
    fault::Fault,
    id::Id,
    request::{Action, Request},
    secrets::Secrets,
    upstream::Upstream,
};

/// A handler of submits of this action, as a dialect writes them.
pub fn submits(dialect: &'static Dialect, action: Action) -> MethodRouter<Arc<Upstream>> {
    post(
        move |State(upstream): Shared, headers: HeaderMap, body: Payload| async move {
            let secrets = Secrets::of(&headers);
            let answered = |_: &Request, id: Id| (dialect.accepted)(&id.to_string(), &secrets);
            submit_with(&upstream, dialect, action, &headers, body, answered).await
        },
    )
}

/// Whether the answer with this fault tells what was made.
fn is_told(fault: Option<Fault>) -> bool {
    use Fault::{SubmitDrip, SubmitHuge, SubmitTorn, SubmitWait};
    matches!(
        fault,
        None | Some(SubmitTorn | SubmitDrip | SubmitHuge | SubmitWait)
    )
}

/// Takes a submit, which is answered with what `answered` makes of it.
pub async fn submit_with(
    upstream: &Arc<Upstream>,
    dialect: &Dialect,
    action: Action,
    headers: &HeaderMap,
    body: Payload,
    answered: impl Fn(&Request, Id) -> Value,
) -> Response {
    let body = match body_of(upstream, dialect, body) {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let request = match (dialect.request)(action, &body) {
        Ok(request) => request,
        Err(message) => return invalid_request(upstream, dialect, &message),
    };
    let key = headers.get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok());
    let Some(decision) = upstream.submit(&request, &body, key) else {
        let message = "the task to continue does not exist";
        return (dialect.error)(StatusCode::BAD_REQUEST, "task_not_exist", message);
    };
    debug!(title = request.marker(), task = ?decision.task, fault = ?decision.fault, "submit");
    if let (Some(id), Some(call_back_body)) = (decision.task, dialect.call_back)
        && let Some(address) = &request.body.call_back_url
    {
        call_back::when_it_ends(upstream, id, address, call_back_body(id));
    }
    pause(decision.latency).await;
    if let (Some(Fault::SubmitWait), Some(id)) = (decision.fault, decision.task) {
        upstream.wait_for_end(id).await;
    }
    let secrets = Secrets::of(headers);
    let leak_to = decision.leaks.then_some(&secrets);
    let at_once = dialect.result_at_once;
    let at_once = at_once.filter(|_| is_told(decision.fault));
    let data = match (decision.task, at_once) {
        (Some(id), Some(result_of)) => {
            upstream.wait_for_end(id).await;
            let task = upstream.print(id);
            match task.map(|task| result_of(&dialects::value(&task))) {
                Some(Ok(result)) => result,
                Some(Err(message)) => {
                    let leaked = leak_to.map(|secrets| secrets.leak(&message, None));
                    let message = leaked.unwrap_or(message);
                    return (dialect.error)(StatusCode::BAD_REQUEST, "failed", &message);
                }
                None => Value::Null,
            }
        }
        (Some(_), _) if decision.fault == Some(Fault::SubmitNoId) => {
            (dialect.accepted)("", &secrets)
        }
        (Some(id), _) => answered(&request, id),
        (None, _) => Value::Null,
    };
    answer::spoil(dialect, decision.fault, data, leak_to, &upstream.options).await
}
