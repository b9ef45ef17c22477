//! The body of a success, and a task in it, in the upstream's format.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::store::listing::TaskView;
use shared::task::{Platform, TaskId};
use utoipa::ToSchema;
use utoipa::openapi::Schema;

use crate::openapi::results::TaskResult;
use crate::openapi::schemas;
use crate::routes::task::item::{StoredJson, dialect_action, result};

/// The body of a success of `/suno/*`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Success<T> {
    #[schema(schema_with = schemas::success)]
    code: &'static str,
    #[schema(schema_with = schemas::empty_text)]
    message: &'static str,
    data: T,
}

impl<T> Success<T> {
    /// `{"code":"success","message":"","data":…}`.
    pub(crate) fn of(data: T) -> Self {
        Self {
            code: "success",
            message: "",
            data,
        }
    }
}

/// The response of a success whose data is short.
pub(crate) fn success(data: impl Serialize) -> Response {
    Json(Success::of(data)).into_response()
}

/// A task in the upstream's format. Times are Unix seconds by the server's clock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
#[allow(clippy::struct_field_names, reason = "the upstream's names")]
pub struct FetchedTask<'a> {
    #[schema(schema_with = schemas::task_id)]
    task_id: &'a TaskId,
    #[schema(schema_with = dialect_actions)]
    action: String,
    #[schema(schema_with = schemas::status)]
    status: &'static str,
    /// Why the task failed; empty if it did not.
    fail_reason: &'a str,
    #[schema(schema_with = schemas::time)]
    submit_time: i64,
    #[schema(schema_with = schemas::time)]
    start_time: i64,
    #[schema(schema_with = schemas::time)]
    finish_time: i64,
    #[schema(schema_with = schemas::progress)]
    progress: String,
    /// The upstream's result; null if there is none.
    #[schema(required = true, value_type = Option<TaskResult>)]
    data: Option<StoredJson<'a>>,
    /// Present, and true, if `data` is `{}` because the results before it fill the answer; a fetch of the
    /// task alone has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    truncated: bool,
}

fn dialect_actions() -> Schema {
    schemas::one_of(Platform::SUNO.actions().copied().map(dialect_action))
}

impl<'a> From<&'a TaskView> for FetchedTask<'a> {
    fn from(task: &'a TaskView) -> Self {
        Self {
            task_id: &task.task_id,
            action: dialect_action(task.action),
            status: task.status.as_str(),
            fail_reason: &task.fail_reason,
            submit_time: task.submit_time,
            start_time: task.start_time,
            finish_time: task.finish_time,
            progress: task.progress.to_string(),
            data: if task.truncated {
                Some(StoredJson::None {})
            } else {
                result(task).map(StoredJson::Json)
            },
            truncated: task.truncated,
        }
    }
}
