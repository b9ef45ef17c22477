//! The response of both listings: the fields of `docs/task-center-api.zh.md`, in its order.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::store::listing::TaskView;
use shared::task::{ChannelId, Quota, RowId, TaskId, UserId};
use utoipa::ToSchema;

use super::parameters::ListRequest;
use crate::error::Result;
use crate::openapi::results::TaskResult;
use crate::openapi::schemas;
use crate::state::App;

/// The fields of a listed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Those of `/api/task/self`.
    Own,
    /// Those of `/api/task/`, with `channel_id` and `username`.
    All,
}

/// The body of a listing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Listed)]
pub struct ListingBody<'a> {
    /// Always `true`.
    success: bool,
    #[schema(schema_with = schemas::empty_text)]
    message: &'static str,
    data: PageJson<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Page)]
struct PageJson<'a> {
    /// The tasks of the page, newest first.
    items: Vec<TaskItem<'a>>,
    /// The number of matching tasks on all pages.
    #[schema(minimum = 0)]
    total: i64,
    /// From 1.
    page: i64,
    page_size: i64,
}

/// A task as `/api/task/` and `task show` print it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedTask)]
pub(crate) struct TaskItem<'a> {
    #[schema(schema_with = schemas::count)]
    id: RowId,
    #[schema(schema_with = schemas::time)]
    created_at: i64,
    #[schema(schema_with = schemas::time)]
    updated_at: i64,
    #[schema(schema_with = schemas::task_id)]
    task_id: &'a TaskId,
    platform: &'a str,
    #[schema(schema_with = schemas::count)]
    user_id: UserId,
    /// The id of the task's channel; 0 if it has none yet. Not at `/api/task/self`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = i64, minimum = 0)]
    channel_id: Option<ChannelId>,
    /// The user's name. Not at `/api/task/self`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<&'a str>,
    /// The charged quota.
    #[schema(value_type = i64, minimum = 0)]
    quota: Quota,
    #[schema(schema_with = schemas::action)]
    action: &'a str,
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
    properties: Properties<'a>,
    /// The upstream's result; `{}` if there is none.
    #[schema(value_type = TaskResult)]
    data: StoredJson<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Properties<'a> {
    /// The prompt or description.
    input: &'a str,
}

/// JSON as it is stored.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum StoredJson<'a> {
    Json(&'a RawValue),
    /// What is stored is not JSON.
    Broken(&'a str),
    /// Nothing is stored: `{}`.
    None {},
}

/// Reads the requested page.
pub(crate) async fn respond(app: &App, request: ListRequest, columns: Columns) -> Result<Response> {
    let (page, page_size, offset) = (request.page, request.page_size, request.offset());
    let found = app.store.list(request.filter, offset, page_size).await?;
    let item = |task| {
        let data = result(task).map_or(StoredJson::None {}, StoredJson::Json);
        TaskItem::new(task, columns, data)
    };
    let body = ListingBody {
        success: true,
        message: "",
        data: PageJson {
            items: found.items.iter().map(item).collect(),
            total: found.total,
            page,
            page_size,
        },
    };
    Ok(Json(body).into_response())
}

impl<'a> TaskItem<'a> {
    pub(crate) fn new(task: &'a TaskView, columns: Columns, data: StoredJson<'a>) -> Self {
        let is_all = columns == Columns::All;
        Self {
            id: task.id,
            created_at: task.created_at,
            updated_at: task.updated_at,
            task_id: &task.task_id,
            platform: &task.platform,
            user_id: task.user_id,
            channel_id: is_all.then_some(task.channel_id),
            username: is_all.then_some(&task.username),
            quota: task.quota,
            action: task.action.as_str(),
            status: task.status.as_str(),
            fail_reason: &task.fail_reason,
            submit_time: task.submit_time,
            start_time: task.start_time,
            finish_time: task.finish_time,
            progress: task.progress.to_string(),
            properties: Properties { input: &task.input },
            data,
        }
    }
}

/// The task's result. A result that is not JSON is logged and shown as none, so that one bad row
/// does not hide its page.
pub(crate) fn result(task: &TaskView) -> Option<&RawValue> {
    let data = task.data.as_deref()?;
    match serde_json::from_str::<&RawValue>(data) {
        Ok(raw) if raw.get() == "null" => None,
        Ok(raw) => Some(raw),
        Err(error) => {
            tracing::error!(task = %task.task_id, row = task.id.0, %error, "bad row: tasks.data is not JSON");
            None
        }
    }
}
