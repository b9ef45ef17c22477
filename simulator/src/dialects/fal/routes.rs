//! What is called about a request.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{DIALECT, error, print};
use crate::{
    answer,
    clock::pause,
    dialects::value,
    fault::Fault,
    routes::{Shared, fetch, invalid},
    secrets::Secrets,
    upstream::{Batch, Cancelled, Upstream},
};

/// What is answered about a request that is not known.
const NOTHING: Option<Value> = None;

/// `…/requests/{id}/status` tells of a request, `…/requests/{id}` has its result.
pub async fn about(
    State(upstream): Shared,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    match request_of(&path) {
        Some((id, "status")) => status(&upstream, id, &headers).await,
        Some((id, "")) => result(&upstream, id, &headers).await,
        _ => nothing(&upstream),
    }
}

pub async fn cancel(State(upstream): Shared, Path(path): Path<String>) -> Response {
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
    let status = StatusCode::NOT_FOUND;
    invalid(
        upstream,
        &DIALECT,
        status,
        "not_found",
        "there is nothing here",
    )
}

async fn status(upstream: &Upstream, id: &str, headers: &HeaderMap) -> Response {
    let Some(batch) = upstream.fetch(&[id.to_owned()]) else {
        return fetch::too_many_ids(upstream, &DIALECT);
    };
    pause(batch.latency).await;
    let secrets = Secrets::of(headers);
    let Some(task) = fetch::print(&batch, &secrets).into_iter().next() else {
        return spoiled(upstream, &batch, &secrets, NOTHING).await;
    };
    let status = (DIALECT.printed)(task);
    let is_unfinished = print::is_unfinished(&value(&status));
    let mut answer = spoiled(upstream, &batch, &secrets, Some(status)).await;
    if is_unfinished && batch.fault.is_none() {
        *answer.status_mut() = StatusCode::ACCEPTED;
    }
    answer
}

async fn result(upstream: &Upstream, id: &str, headers: &HeaderMap) -> Response {
    let Some(mut batch) = upstream.fetch(&[id.to_owned()]) else {
        return fetch::too_many_ids(upstream, &DIALECT);
    };
    pause(batch.latency).await;
    // A result that is refused, or is an error, is the end of its task, and no fault of a fetch.
    batch.fault = batch
        .fault
        .filter(|fault| !matches!(fault, Fault::Fetch404 | Fault::Batch404 | Fault::FetchCode));
    for task in &mut batch.tasks {
        task.fault = task.fault.filter(|fault| print::spoils_results(*fault));
    }
    // A result without anything in it would be one.
    if batch.fault == Some(Fault::FetchNull) {
        return Json(Value::Null).into_response();
    }
    let secrets = Secrets::of(headers);
    let Some(task) = fetch::print(&batch, &secrets).into_iter().next() else {
        return spoiled(upstream, &batch, &secrets, NOTHING).await;
    };
    let result = match print::result(&value(&task)) {
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
    data: Option<impl Serialize>,
) -> Response {
    if data.is_none() && batch.fault.is_none() {
        let status = StatusCode::NOT_FOUND;
        return error(status, "", "there is no such request");
    }
    let data = data.filter(|_| batch.fault != Some(Fault::FetchNull));
    let leak_to = batch.leaks.then_some(secrets);
    answer::spoil(&DIALECT, batch.fault, data, leak_to, &upstream.options).await
}
