//! `GET /v1/tasks/{task_id}`: one task of any platform.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::error::Result;
use crate::http::auth::KeyUser;
use crate::routes::suno;
use crate::routes::suno::fetch::Refusals;
use crate::routes::suno::response::{FetchedTask, Success};
use crate::state::App;

/// Fetches one task of any platform.
///
/// An unknown id, a malformed id and the id of another user's task get the same error. Its status
/// is 400 and not 404, as clients of this format expect.
#[utoipa::path(
    get,
    path = "/v1/tasks/{task_id}",
    operation_id = "get_task",
    tag = crate::openapi::MUSIC,
    params(("task_id" = String, Path, description = "The task's id")),
    responses((status = 200, description = "The task", body = Success<FetchedTask>), Refusals),
    security(("apiKey" = [])),
)]
pub(crate) async fn fetch(
    state: State<App>,
    holder: KeyUser,
    task: std::result::Result<Path<String>, PathRejection>,
) -> Result<Response> {
    suno::fetch::fetch(state, holder, task).await
}
