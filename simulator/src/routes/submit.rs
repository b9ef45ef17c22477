//! `POST /suno/submit/music` and `POST /suno/submit/lyrics`.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::Value;
use tracing::debug;

use super::{Shared, invalid, invalid_request};
use crate::{
    answer,
    clock::pause,
    fault::Fault,
    request::{Action, Request},
    secrets::Secrets,
    upstream::{NoSuchTask, Upstream},
};

pub async fn music(
    State(upstream): Shared,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    submit(&upstream, Action::Music, &headers, body).await
}

pub async fn lyrics(
    State(upstream): Shared,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    submit(&upstream, Action::Lyrics, &headers, body).await
}

async fn submit(
    upstream: &Upstream,
    action: Action,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            return invalid(
                upstream,
                rejection.status(),
                "invalid_request",
                &rejection.body_text(),
            );
        }
    };
    let request = match Request::read(action, &body) {
        Ok(request) => request,
        Err(message) => return invalid_request(upstream, &message),
    };
    let verdict = match upstream.submit(&request, &body) {
        Ok(verdict) => verdict,
        Err(NoSuchTask) => {
            return answer::error(
                StatusCode::BAD_REQUEST,
                "task_not_exist",
                "the task to continue does not exist",
            );
        }
    };
    debug!(title = request.marker(), task = ?verdict.task, fault = ?verdict.fault, "submit");
    pause(verdict.latency).await;
    if let (Some(Fault::SubmitWait), Some(id)) = (verdict.fault, verdict.task) {
        upstream.wait_for_end(id).await;
    }
    let data = match verdict.task {
        Some(_) if verdict.fault == Some(Fault::SubmitNoId) => Value::from(""),
        Some(id) => Value::from(id.to_string()),
        None => Value::Null,
    };
    let secrets = Secrets::of(headers);
    answer::spoil(
        verdict.fault,
        data,
        verdict.leaks.then_some(&secrets),
        &upstream.options,
    )
    .await
}
