//! `GET /suno/fetch/{task_id}`: one task.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use utoipa::IntoResponses;

use super::response::{FetchedTask, Success};
use crate::error::{ApiError, Result};
use crate::http::auth::KeyUser;
use crate::openapi::refusals;
use crate::state::App;

/// The errors of this endpoint.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> refusals::Responses {
        refusals::of_suno([ApiError::TaskNotExist, ApiError::TooManyAnswers])
    }
}

/// Fetches one task.
///
/// An unknown id, a malformed id and the id of another user's task get the same error. Its status
/// is 400 and not 404, as clients of this format expect.
#[utoipa::path(
    get,
    path = "/suno/fetch/{task_id}",
    // Not `fetch`: generated JavaScript would hide the function of that name, and call itself.
    operation_id = "fetch_task",
    tag = crate::openapi::MUSIC,
    params(("task_id" = String, Path, description = "The task's id")),
    responses((status = 200, description = "The task", body = Success<FetchedTask>), Refusals),
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
    let room = app.answers.for_one(holder.user.id).await?;
    let found = app.store.find_one(holder.user.id, &task).await?;
    let task = found.ok_or(ApiError::TaskNotExist)?;
    room.json(&Success::of(FetchedTask::from(&task)))
}
