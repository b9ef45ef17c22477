//! The platform `fal` under `/fal-ai`: the same tasks as those of Suno's dialect.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use super::{
    Payload, Shared,
    fetch::{print, too_many_ids},
    invalid,
    submit::submit,
};
use crate::{
    answer::{self, Shape},
    clock::pause,
    fal,
    fault::Fault,
    request::Action,
    secrets::Secrets,
    sunoapi::value,
    upstream::{Batch, Cancelled, Upstream},
};

/// Its endpoints. Every model of one owner is known.
pub fn router() -> Router<Arc<Upstream>> {
    let of_model = post(music).get(about).put(cancel);
    Router::new().route("/fal-ai/{*path}", of_model)
}

async fn music(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    submit(&upstream, Shape::Fal, Action::Music, &headers, body).await
}

/// `…/requests/{id}/status` tells of a request, `…/requests/{id}` has its result.
async fn about(State(upstream): Shared, Path(path): Path<String>, headers: HeaderMap) -> Response {
    match request_of(&path) {
        Some((id, "status")) => status(&upstream, id, &headers).await,
        Some((id, "")) => result(&upstream, id, &headers).await,
        _ => nothing(&upstream),
    }
}

async fn cancel(State(upstream): Shared, Path(path): Path<String>) -> Response {
    let Some((id, "cancel")) = request_of(&path) else {
        return nothing(&upstream);
    };
    let (status, word) = match upstream.cancel(id) {
        Cancelled::Stopped | Cancelled::GoesOn => (StatusCode::ACCEPTED, "CANCELLATION_REQUESTED"),
        Cancelled::TooLate => (StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
        Cancelled::Unknown => (StatusCode::NOT_FOUND, "NOT_FOUND"),
    };
    (status, Json(json!({ "status": word }))).into_response()
}

/// The id of the request in a path, and what stands behind it.
fn request_of(path: &str) -> Option<(&str, &str)> {
    let (_, request) = path.split_once("/requests/")?;
    Some(request.split_once('/').unwrap_or((request, "")))
}

fn nothing(upstream: &Upstream) -> Response {
    // The count of what breaks the dialect is the same for all.
    drop(invalid(upstream, StatusCode::NOT_FOUND, "not_found", ""));
    fal::error(StatusCode::NOT_FOUND, "there is nothing here")
}

async fn status(upstream: &Upstream, id: &str, headers: &HeaderMap) -> Response {
    let Some(batch) = upstream.fetch(&[id.to_owned()]) else {
        return too_many_ids(upstream, Shape::Fal);
    };
    pause(batch.latency).await;
    let secrets = Secrets::of(headers);
    let Some(task) = print(&batch, &secrets).into_iter().next() else {
        return spoiled(upstream, &batch, &secrets, None).await;
    };
    let status = fal::status(&value(&task));
    let is_unfinished = fal::is_unfinished(&status);
    let mut answer = spoiled(upstream, &batch, &secrets, Some(status)).await;
    if is_unfinished && batch.fault.is_none() {
        *answer.status_mut() = StatusCode::ACCEPTED;
    }
    answer
}

async fn result(upstream: &Upstream, id: &str, headers: &HeaderMap) -> Response {
    let Some(mut batch) = upstream.fetch(&[id.to_owned()]) else {
        return too_many_ids(upstream, Shape::Fal);
    };
    pause(batch.latency).await;
    // A result that is refused, or is an error, is the end of its task, and no fault of a fetch.
    batch.fault = batch
        .fault
        .filter(|fault| !matches!(fault, Fault::Fetch404 | Fault::Batch404 | Fault::FetchCode));
    for task in &mut batch.tasks {
        task.fault = task.fault.filter(|fault| fal::spoils_results(*fault));
    }
    // A result without anything in it would be one.
    if batch.fault == Some(Fault::FetchNull) {
        return Json(Value::Null).into_response();
    }
    let secrets = Secrets::of(headers);
    let Some(task) = print(&batch, &secrets).into_iter().next() else {
        return spoiled(upstream, &batch, &secrets, None).await;
    };
    let result = match fal::result(&value(&task)) {
        Ok(result) => Some(result),
        Err((status, detail)) if batch.fault.is_none() => {
            return (status, Json(json!({ "detail": detail }))).into_response();
        }
        Err(_) => None,
    };
    spoiled(upstream, &batch, &secrets, result).await
}

/// Answers with the data, or that there is no such request, spoiled by the fault of the fetch.
async fn spoiled(
    upstream: &Upstream,
    batch: &Batch,
    secrets: &Secrets,
    data: Option<Value>,
) -> Response {
    if data.is_none() && batch.fault.is_none() {
        return fal::error(StatusCode::NOT_FOUND, "there is no such request");
    }
    let data = data.filter(|_| batch.fault != Some(Fault::FetchNull));
    let leak_to = batch.leaks.then_some(secrets);
    answer::spoil(Shape::Fal, batch.fault, data, leak_to, &upstream.options).await
}
