//! The answer that both listings give: the fields of the user's document, in its order.

use serde::Serialize;
use serde_json::value::RawValue;
use shared::store::listing::{Page, TaskView};
use shared::task::{ChannelId, Quota, RowId, TaskId, UserId};

use super::filter::Asked;

/// Which fields an item has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Those of `/api/task/self`.
    Own,
    /// Those of `/api/task/`: `channel_id` and `username` too.
    All,
}

/// A page, as it is printed.
#[derive(Debug, Serialize)]
pub struct Listed<'a> {
    success: bool,
    message: &'static str,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    items: Vec<Item<'a>>,
    total: i64,
    page: i64,
    page_size: i64,
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    id: RowId,
    created_at: i64,
    updated_at: i64,
    task_id: &'a TaskId,
    platform: &'a str,
    user_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    quota: Quota,
    action: &'static str,
    status: &'static str,
    fail_reason: &'a str,
    submit_time: i64,
    start_time: i64,
    finish_time: i64,
    progress: String,
    properties: Properties<'a>,
    data: Outcome<'a>,
}

#[derive(Debug, Serialize)]
struct Properties<'a> {
    input: &'a str,
}

/// The upstream's result as it came, or `{}` while there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Some(&'a RawValue),
    None {},
}

impl<'a> Listed<'a> {
    /// The page that was asked for.
    pub fn new(page: &'a Page, asked: &Asked, columns: Columns) -> Self {
        let items = page.items.iter().map(|task| Item::new(task, columns));
        Self {
            success: true,
            message: "",
            data: Data {
                items: items.collect(),
                total: page.total,
                page: asked.page,
                page_size: asked.page_size,
            },
        }
    }
}

impl<'a> Item<'a> {
    fn new(task: &'a TaskView, columns: Columns) -> Self {
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
            data: result(task).map_or(Outcome::None {}, Outcome::Some),
        }
    }
}

/// A task's result. One that does not read as JSON is logged and shown as none: one bad row must
/// not hide a page of good ones.
pub(crate) fn result(task: &TaskView) -> Option<&RawValue> {
    let data = task.data.as_deref()?;
    match serde_json::from_str::<&RawValue>(data) {
        Ok(raw) if raw.get() == "null" => None,
        Ok(raw) => Some(raw),
        Err(error) => {
            tracing::error!(task = %task.task_id, row = task.id.0, %error, "bad row: tasks.data is no JSON");
            None
        }
    }
}
