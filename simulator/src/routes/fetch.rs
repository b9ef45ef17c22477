//! Calls that fetch tasks.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
    routing::{MethodRouter, get},
};

use super::{Shared, invalid_request};
use crate::{
    answer,
    clock::pause,
    dialects::{
        Dialect,
        suno::print::{self, Printed},
    },
    fault::Fault,
    secrets::Secrets,
    task::FetchedTask,
    upstream::{Batch, Upstream},
};

/// A handler of calls about one task, whose id is the end of the path, as a dialect answers them.
pub fn one(dialect: &'static Dialect) -> MethodRouter<Arc<Upstream>> {
    get(
        move |State(upstream): Shared, Path(id): Path<String>, headers: HeaderMap| async move {
            about_one(&upstream, dialect, id, &headers).await
        },
    )
}

/// Tells of one task, as a dialect writes it. A stranger comes after the task, so it is told only instead of a task that
/// is left out.
pub async fn about_one(
    upstream: &Upstream,
    dialect: &Dialect,
    id: String,
    headers: &HeaderMap,
) -> Response {
    let Some(batch) = upstream.fetch(&[id]) else {
        return too_many_ids(upstream, dialect);
    };
    pause(batch.latency).await;
    let secrets = Secrets::of(headers);
    let task = print(&batch, &secrets).into_iter().next();
    if task.is_none()
        && batch.fault.is_none()
        && let Some(status) = dialect.status_of_unknown_task
    {
        return (dialect.error)(status, "task_not_exist", "the task does not exist");
    }
    let data = task.filter(|_| batch.fault != Some(Fault::FetchNull));
    let data = data.map(|task| (dialect.printed)(task));
    let leak_to = batch.leaks.then_some(&secrets);
    answer::spoil(dialect, batch.fault, data, leak_to, &upstream.options).await
}

pub fn too_many_ids(upstream: &Upstream, dialect: &Dialect) -> Response {
    let most = upstream.options.ids_per_fetch;
    invalid_request(upstream, dialect, &format!("at most {most} ids at once"))
}

/// Prints the fetched tasks and the strangers of [`Fault::FetchStrangers`]: a task of another fetch, and a task that
/// was never submitted.
pub fn print(batch: &Batch, secrets: &Secrets) -> Vec<Printed> {
    let mut printed = Vec::with_capacity(batch.tasks.len());
    let nobodys = (batch.fault == Some(Fault::FetchStrangers)).then(FetchedTask::stranger);
    for task in batch.tasks.iter().chain(&batch.stranger).chain(&nobodys) {
        print::print(task, secrets, &mut printed);
    }
    printed
}
