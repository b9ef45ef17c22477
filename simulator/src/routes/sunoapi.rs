//! The dialect `sunoapi` under `/api/v1`: the same tasks as those of the platform's own dialect.

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Payload, Shared, fetch::print};
use crate::{
    answer::{self, Shape},
    clock::pause,
    fault::Fault,
    request::{Action, Request},
    secrets::Secrets,
    sunoapi,
    upstream::Upstream,
};

pub async fn song(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Action::Music, &headers, body).await
}

pub async fn extend(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
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
        Err(rejection) => return invalid(upstream, &rejection.body_text()),
    };
    let request = sunoapi::translated(action, &body)
        .and_then(|ours| Request::read(action, ours.to_string().as_bytes()));
    let request = match request {
        Ok(request) => request,
        Err(message) => return invalid(upstream, &message),
    };
    let key = headers.get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok());
    let Some(decision) = upstream.submit(&request, &body, key) else {
        return invalid(upstream, "the task to continue does not exist");
    };
    pause(decision.latency).await;
    if let (Some(Fault::SubmitWait), Some(id)) = (decision.fault, decision.task) {
        upstream.wait_for_end(id).await;
    }
    let data = match decision.task {
        Some(_) if decision.fault == Some(Fault::SubmitNoId) => json!({"taskId": ""}),
        Some(id) => json!({"taskId": id.to_string()}),
        None => Value::Null,
    };
    let secrets = Secrets::of(headers);
    let leak_to = decision.leaks.then_some(&secrets);
    answer::spoil(
        Shape::SunoApi,
        decision.fault,
        data,
        leak_to,
        &upstream.options,
    )
    .await
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(rename = "taskId")]
    task_id: String,
}

pub async fn record_info(
    State(upstream): Shared,
    Query(Asked { task_id }): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let Some(batch) = upstream.fetch(&[task_id]) else {
        return invalid(&upstream, "no task at all may be asked about");
    };
    pause(batch.latency).await;
    let secrets = Secrets::of(&headers);
    // A stranger comes after the task, so it is told only instead of a task that is left out.
    let printed = print(&batch, &secrets).into_iter().next();
    let data = printed
        .filter(|_| batch.fault != Some(Fault::FetchNull))
        .map(|task| sunoapi::printed(&task));
    let leak_to = batch.leaks.then_some(&secrets);
    answer::spoil(
        Shape::SunoApi,
        batch.fault,
        data,
        leak_to,
        &upstream.options,
    )
    .await
}

fn invalid(upstream: &Upstream, message: &str) -> Response {
    upstream.count(|counts| counts.invalid += 1);
    Shape::SunoApi.error(StatusCode::BAD_REQUEST, "invalid_request", message)
}
