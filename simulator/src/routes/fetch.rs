//! `POST /suno/fetch` and `GET /suno/fetch/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use tracing::debug;

use super::{Payload, Shared, body_of, invalid_request};
use crate::{
    answer::{self, Shape},
    clock::pause,
    dialect::{self, Printed},
    fault::Fault,
    secrets::Secrets,
    task::FetchedTask,
    upstream::{Batch, Upstream},
};

#[derive(Deserialize)]
struct Body {
    ids: Vec<String>,
}

pub async fn many(State(upstream): Shared, headers: HeaderMap, body: Payload) -> Response {
    let body = match body_of(&upstream, Shape::Suno, body) {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let ids = match serde_json::from_slice(&body) {
        Ok(Body { ids }) => ids,
        Err(error) => {
            let message = format!("the body can't be read: {error}");
            return invalid_request(&upstream, Shape::Suno, &message);
        }
    };
    let Some(batch) = upstream.fetch(&ids) else {
        return too_many_ids(&upstream, Shape::Suno);
    };
    debug!(ids = ids.len(), fault = ?batch.fault, "fetch");
    pause(batch.latency).await;
    let secrets = Secrets::of(&headers);
    let tasks = print(&batch, &secrets);
    let data = (batch.fault != Some(Fault::FetchNull)).then_some(tasks);
    let leak_to = batch.leaks.then_some(&secrets);
    answer::spoil(Shape::Suno, batch.fault, data, leak_to, &upstream.options).await
}

pub async fn one(State(upstream): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    about_one(&upstream, Shape::Suno, id, &headers).await
}

/// Tells of one task, as a dialect writes it. A stranger comes after the task, so it is told only instead of a task that
/// is left out.
pub async fn about_one(
    upstream: &Upstream,
    shape: Shape,
    id: String,
    headers: &HeaderMap,
) -> Response {
    let Some(batch) = upstream.fetch(&[id]) else {
        return too_many_ids(upstream, shape);
    };
    pause(batch.latency).await;
    let secrets = Secrets::of(headers);
    let task = print(&batch, &secrets).into_iter().next();
    if task.is_none()
        && batch.fault.is_none()
        && let Some(status) = shape.status_of_unknown_task()
    {
        return shape.error(status, "task_not_exist", "the task does not exist");
    }
    let data = task.filter(|_| batch.fault != Some(Fault::FetchNull));
    let data = data.map(|task| shape.printed(task));
    let leak_to = batch.leaks.then_some(&secrets);
    answer::spoil(shape, batch.fault, data, leak_to, &upstream.options).await
}

pub fn too_many_ids(upstream: &Upstream, shape: Shape) -> Response {
    let most = upstream.options.ids_per_fetch;
    invalid_request(upstream, shape, &format!("at most {most} ids at once"))
}

/// Prints the fetched tasks and the strangers of [`Fault::FetchStrangers`]: a task of another fetch, and a task that
/// was never submitted.
pub fn print(batch: &Batch, secrets: &Secrets) -> Vec<Printed> {
    let mut printed = Vec::with_capacity(batch.tasks.len());
    let nobodys = (batch.fault == Some(Fault::FetchStrangers)).then(FetchedTask::stranger);
    for task in batch.tasks.iter().chain(&batch.stranger).chain(&nobodys) {
        dialect::print(task, secrets, &mut printed);
    }
    printed
}
