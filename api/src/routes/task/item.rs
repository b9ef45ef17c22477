//! A task with the fields of `docs/task-center-api.zh.md`, in its order.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::config::ListingActions;
use shared::store::listing::TaskView;
use shared::task::{Action, ChannelId, Quota, RowId, TaskId, UserId};
use utoipa::ToSchema;

use crate::openapi::results::TaskResult;
use crate::openapi::schemas;

/// The fields of a listed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Those of `/api/task/self`.
    Own,
    /// Those of `/api/task/`, with `channel_id` and `username`.
    All,
}

/// A task as the listings, `/api/task/{task_id}` and `task show` print it.
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
    action: Cow<'a, str>,
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
    /// Present, and true, if `data` is `{}` because the results before it fill the page;
    /// `/api/task/{task_id}` has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    truncated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Properties<'a> {
    /// The prompt or description. A listing shows its first 1,000 characters, and `…` for the rest.
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

impl<'a> StoredJson<'a> {
    /// `text`, which should be JSON.
    pub(crate) fn of(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Broken(text), Self::Json)
    }

    /// The task's result, as clients see it.
    pub(crate) fn result_of(task: &'a TaskView) -> Self {
        result(task).map_or(Self::None {}, Self::Json)
    }
}

impl<'a> TaskItem<'a> {
    pub(crate) fn new(
        task: &'a TaskView,
        columns: Columns,
        actions: ListingActions,
        data: StoredJson<'a>,
    ) -> Self {
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
            action: match actions {
                ListingActions::Document => task.action.as_str().into(),
                ListingActions::NewApi => dialect_action(task.action).into(),
            },
            status: task.status.as_str(),
            fail_reason: &task.fail_reason,
            submit_time: task.submit_time,
            start_time: task.start_time,
            finish_time: task.finish_time,
            progress: task.progress.to_string(),
            properties: Properties { input: &task.input },
            data,
            truncated: task.truncated,
        }
    }
}

/// An action in the Suno dialect, which new-api's pages know too: `MUSIC`, `LYRICS`.
pub(crate) fn dialect_action(action: Action) -> String {
    match action {
        Action::SONG => "MUSIC".to_owned(),
        other => other.as_str().to_ascii_uppercase(),
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
