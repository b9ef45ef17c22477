//! `GET /suno/fetch/{task_id}`: one task.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use utoipa::IntoResponses;

use super::answer::{Success, Task, success};
use crate::error::{ApiError, Result};
use crate::http::auth::KeyUser;
use crate::openapi::refusals;
use crate::state::App;

/// What it may refuse.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_suno([ApiError::TaskNotExist])
    }
}

/// One task.
///
/// A task that is not the caller's does not exist, and neither does one whose id is no id of ours:
/// 400 and not 404, as clients of this dialect expect.
#[utoipa::path(
    get,
    path = "/suno/fetch/{task_id}",
    tag = crate::openapi::MUSIC,
    params(("task_id" = String, Path, description = "The task's name")),
    responses((status = 200, description = "The task", body = Success<Task>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn fetch(
    State(app): State<App>,
    KeyUser(holder): KeyUser,
    task: std::result::Result<Path<String>, PathRejection>,
) -> Result<Response> {
    let Ok(Path(task)) = task else {
        return Err(ApiError::TaskNotExist);
    };
    let task = task.parse().map_err(|_| ApiError::TaskNotExist)?;
    let found = app.store.find(holder.user.id, &[task]).await?;
    let task = found.first().ok_or(ApiError::TaskNotExist)?;
    Ok(success(Task::from(task)))
}
