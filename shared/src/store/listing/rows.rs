//! Tasks as rows: one task whole, and many within bounds, so that the size of an answer is known before its
//! results are read.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::TaskView;
use crate::store::row::{self, Cells as _};
use crate::store::sql::{Row, sql};
use crate::store::{Result, Store, StoreError};
use crate::task::{ChannelId, RowId, UserId};

/// The most characters of an input in a page or a batch; `…` stands for the rest.
pub const INPUT_CHARACTERS: usize = 1_000;

/// The most bytes of results in a page or a batch. The results that come after these are left out.
pub const RESULT_BYTES: usize = 8 * 1024 * 1024;

/// A result of more bytes is read by itself: see [`Store::add_large_result`].
const LARGE: usize = 1024 * 1024;

/// How many large results are read at the same time, and for how long a reader waits for its turn.
static READERS: Semaphore = Semaphore::const_new(2);
const TURN: Duration = Duration::from_secs(5);

/// The columns that [`whole`] and [`within_bounds`] have in common, of `tasks t` and `users u`.
const COLUMNS: &str = "t.id, t.task_id, t.platform, t.user_id, \
    coalesce(t.channel_id, 0) AS channel_id, u.name AS username, t.quota, t.action, t.status, \
    t.fail_reason, t.created_at, t.updated_at, t.submit_time, t.start_time, t.finish_time, \
    t.progress";

/// The columns that [`task`] reads, of `tasks t` and `users u`: all of a task, but for a large result, which
/// [`Store::add_large_result`] adds.
pub(in crate::store) fn whole() -> String {
    format!(
        "{COLUMNS}, t.input, CASE WHEN octet_length(t.data) <= {LARGE} THEN t.data END AS data,
         coalesce(octet_length(t.data) > {LARGE}, FALSE) AS truncated"
    )
}

impl Store {
    /// Adds the result of a task that was read whole, if the result is large. Few are read at the same time: a
    /// program of an older version stored results of any size.
    pub(in crate::store) async fn add_large_result(&self, task: &mut TaskView) -> Result<()> {
        if !task.truncated {
            return Ok(());
        }
        let turn = timeout(TURN, READERS.acquire()).await;
        let _turn = turn.map_err(|_| StoreError::Busy)?;
        let select = sql("SELECT data FROM tasks WHERE id = $1").bind(task.id.0); // $1 id
        let found = self.database.optional(select).await?;
        task.data = match found {
            Some(found) => found.text_or_null("data")?,
            None => None,
        };
        task.truncated = false;
        Ok(())
    }
}

/// The size of the result of a row of `tasks`, in bytes. Neither database reads the result to tell its size.
pub(super) const SIZE: &str = "octet_length(data)";

/// The statement that reads the tasks of `page`, for [`bounded`]. `page` is a statement that finds each task's
/// `id`, its `place` and the `size` of its result. The rows come in no order; they have the column `place`.
///
/// Sizes are added up before any result is read, so a result that is left out is not read: not even to tell whether
/// there is one, for which `SQLite` would read it. A result that is too large by itself leaves out no other.
pub(super) fn within_bounds(page: &str) -> String {
    let input = INPUT_CHARACTERS + 1;
    format!(
        "SELECT {COLUMNS}, substr(t.input, 1, {input}) AS input,
                CASE WHEN sized.fits THEN t.data END AS data,
                sized.size IS NOT NULL AND NOT sized.fits AS truncated, sized.place
         FROM (
             SELECT page.id, page.place, page.size,
                    page.size <= {RESULT_BYTES}
                    AND sum(page.size) FILTER (WHERE page.size <= {RESULT_BYTES})
                        OVER (ORDER BY page.place) <= {RESULT_BYTES} AS fits
             FROM ({page}) AS page
         ) AS sized
         JOIN tasks t ON t.id = sized.id
         JOIN users u ON u.id = t.user_id"
    )
}

/// A row of [`within_bounds`].
pub(super) fn bounded(found: &Row) -> Result<TaskView> {
    let mut task = task(found)?;
    if let Some((end, _)) = task.input.char_indices().nth(INPUT_CHARACTERS) {
        task.input.truncate(end);
        task.input.push('…');
    }
    Ok(task)
}

/// A row of [`whole`].
pub(in crate::store) fn task(found: &Row) -> Result<TaskView> {
    let id = found.int("id")?;
    Ok(TaskView {
        id: RowId(id),
        task_id: row::parse("tasks", "task_id", id, &found.text("task_id")?)?,
        platform: found.text("platform")?,
        user_id: UserId(found.int("user_id")?),
        channel_id: ChannelId(found.int("channel_id")?),
        username: found.text("username")?,
        quota: row::quota("tasks", "quota", id, found.int("quota")?)?,
        action: row::parse("tasks", "action", id, &found.text("action")?)?,
        status: row::parse("tasks", "status", id, &found.text("status")?)?,
        fail_reason: found.text("fail_reason")?,
        created_at: found.int("created_at")?,
        updated_at: found.int("updated_at")?,
        submit_time: found.int("submit_time")?,
        start_time: found.int("start_time")?,
        finish_time: found.int("finish_time")?,
        progress: row::progress("tasks", id, found.int("progress")?)?,
        input: found.text("input")?,
        data: found.text_or_null("data")?,
        truncated: found.flag("truncated")?,
    })
}
