//! From columns to domain types, in one place; a bad row names its table, column and id.

use std::fmt::Display;

use super::accounts::{ApiKey, Role, User};
use super::admission::Facts;
use super::books::{Backlog, Entry, Event, LateLooks, Story, Unfinished};
use super::channels::{Channel, Price};
use super::listing::walk::{Counted, Everywhere};
use super::listing::{Page, TaskView};
use super::submissions::{Continuable, Continuation};
use super::turns::{LateTask, Overdue, PollJob, SubmitJob};
use super::{Result, StoreError};
use crate::clock::Millis;
use crate::secret::Secret;
use crate::task::{AtTurn, ChannelId, KeyId, Progress, Quota, RowId, TaskId, Turn, UserId};

/// A cell that must read as `T`.
pub(super) fn parse<T: std::str::FromStr>(
    table: &'static str,
    column: &'static str,
    id: i64,
    text: &str,
) -> Result<T> {
    text.parse().map_err(|_| bad(table, column, id, text))
}

/// A number that must be an amount of quota.
pub(super) fn quota(
    table: &'static str,
    column: &'static str,
    id: i64,
    number: i64,
) -> Result<Quota> {
    Quota::try_from(number).map_err(|_| bad(table, column, id, &number.to_string()))
}

/// A number that must be a percentage.
pub(super) fn progress(table: &'static str, id: i64, number: i64) -> Result<Progress> {
    Progress::from_percent(number).ok_or_else(|| bad(table, "progress", id, &number.to_string()))
}

/// A number that must not be negative and must fit.
pub(super) fn count(
    table: &'static str,
    column: &'static str,
    id: i64,
    number: i64,
) -> Result<u32> {
    u32::try_from(number).map_err(|_| bad(table, column, id, &number.to_string()))
}

fn bad(table: &'static str, column: &'static str, id: i64, held: &str) -> StoreError {
    StoreError::BadRow {
        table,
        column,
        id,
        held: held.to_owned(),
    }
}

/// What `read` makes of the row of a task at its turn. One that cannot be read must not hold up the
/// others of its batch: it is logged, and left alone until somebody mends it.
pub(super) fn good<R: Cells, T>(found: &R, read: impl Fn(&R) -> Result<T>) -> Option<T> {
    let (row, turn) = (found.int("id").ok(), found.int("turn").ok());
    read(found)
        .inspect_err(|error| tracing::error!(row, turn, %error, "a row is left out"))
        .ok()
}

/// The cells of a row, in either dialect.
pub(super) trait Cells {
    /// A number.
    fn int(&self, column: &str) -> Result<i64>;
    /// A number or NULL.
    fn int_or_null(&self, column: &str) -> Result<Option<i64>>;
    /// A text.
    fn text(&self, column: &str) -> Result<String>;
    /// A text or NULL.
    fn text_or_null(&self, column: &str) -> Result<Option<String>>;
    /// Yes or no.
    fn flag(&self, column: &str) -> Result<bool>;
}

macro_rules! cells {
    ($row:ty) => {
        impl Cells for $row {
            fn int(&self, column: &str) -> Result<i64> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
            fn int_or_null(&self, column: &str) -> Result<Option<i64>> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
            fn text(&self, column: &str) -> Result<String> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
            fn text_or_null(&self, column: &str) -> Result<Option<String>> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
            fn flag(&self, column: &str) -> Result<bool> {
                Ok(sqlx::Row::try_get(self, column)?)
            }
        }
    };
}

cells!(sqlx::postgres::PgRow);
cells!(sqlx::sqlite::SqliteRow);

/// A row of `users`.
pub(super) fn user(row: &impl Cells) -> Result<User> {
    let id = row.int("id")?;
    Ok(User {
        id: UserId(id),
        name: row.text("name")?,
        role: match row.text("role")?.as_str() {
            "admin" => Role::Admin,
            "user" => Role::User,
            other => return Err(bad("users", "role", id, other)),
        },
        enabled: row.flag("enabled")?,
        quota: quota("users", "quota", id, row.int("quota")?)?,
        used_quota: quota("users", "used_quota", id, row.int("used_quota")?)?,
    })
}

/// A row of `api_keys`: `key_id`, `label`, `key_enabled`, `quota_limit`, `key_used_quota`, named so
/// that it can stand beside its user's columns.
pub(super) fn api_key(row: &impl Cells) -> Result<ApiKey> {
    let id = row.int("key_id")?;
    let used = row.int("key_used_quota")?;
    let left = row.int_or_null("quota_limit")?.map(|limit| limit - used);
    Ok(ApiKey {
        id: KeyId(id),
        label: row.text("label")?,
        enabled: row.flag("key_enabled")?,
        quota: left
            .map(|left| quota("api_keys", "quota_limit", id, left))
            .transpose()?,
        used_quota: quota("api_keys", "used_quota", id, used)?,
    })
}

/// A row of `channels`.
pub(super) fn channel(row: &impl Cells) -> Result<Channel> {
    let id = row.int("id")?;
    Ok(Channel {
        id: ChannelId(id),
        name: row.text("name")?,
        platform: parse("channels", "platform", id, &row.text("platform")?)?,
        base_url: row.text("base_url")?,
        key: Secret::new(row.text("key")?),
        enabled: row.flag("enabled")?,
        priority: i32::try_from(row.int("priority")?)
            .map_err(|_| bad("channels", "priority", id, "too large a number"))?,
        weight: count("channels", "weight", id, row.int("weight")?)?,
        used_quota: quota("channels", "used_quota", id, row.int("used_quota")?)?,
        cool_until: Millis(row.int("cool_until")?),
        cool_count: count("channels", "cool_count", id, row.int("cool_count")?)?,
        builtin: row.flag("builtin")?,
    })
}

/// A row of `prices`.
pub(super) fn price(row: &impl Cells) -> Result<Price> {
    Ok(Price {
        platform: parse("prices", "platform", 0, &row.text("platform")?)?,
        action: parse("prices", "action", 0, &row.text("action")?)?,
        quota: quota("prices", "quota", 0, row.int("quota")?)?,
    })
}

/// The columns of `tasks` that [`task`] reads, with the user's name as `username`.
pub(super) const TASK_COLUMNS: &str = "t.id, t.task_id, t.platform, t.user_id, \
    coalesce(t.channel_id, 0) AS channel_id, u.name AS username, t.quota, t.action, t.status, \
    t.fail_reason, t.created_at, t.updated_at, t.submit_time, t.start_time, t.finish_time, \
    t.progress, t.input, t.data";

/// A row of `tasks` beside its user's name: [`TASK_COLUMNS`].
pub(super) fn task(row: &impl Cells) -> Result<TaskView> {
    let id = row.int("id")?;
    Ok(TaskView {
        id: RowId(id),
        task_id: parse::<TaskId>("tasks", "task_id", id, &row.text("task_id")?)?,
        platform: row.text("platform")?,
        user_id: UserId(row.int("user_id")?),
        channel_id: ChannelId(row.int("channel_id")?),
        username: row.text("username")?,
        quota: quota("tasks", "quota", id, row.int("quota")?)?,
        action: parse("tasks", "action", id, &row.text("action")?)?,
        status: parse("tasks", "status", id, &row.text("status")?)?,
        fail_reason: row.text("fail_reason")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
        submit_time: row.int("submit_time")?,
        start_time: row.int("start_time")?,
        finish_time: row.int("finish_time")?,
        progress: progress("tasks", id, row.int("progress")?)?,
        input: row.text("input")?,
        data: row.text_or_null("data")?,
    })
}

/// Everything about one task but its ledger and its history; the condition on `t` is to follow.
pub(super) const STORY: &str = "t.upstream_id, t.key_id, k.label, t.request, \
        c.name AS channel_name, n.turn, n.stage, n.due_at, n.deadline, holder.name AS at_channel, \
        pinned.name AS pinned_channel, n.attempts, n.polls, n.missing, l.looks, \
        l.due_at AS look_due_at \
    FROM tasks t \
    JOIN users u ON u.id = t.user_id \
    JOIN api_keys k ON k.id = t.key_id \
    LEFT JOIN channels c ON c.id = t.channel_id \
    LEFT JOIN unfinished_tasks n ON n.id = t.id \
    LEFT JOIN channels holder ON holder.id = n.channel_id \
    LEFT JOIN channels pinned ON pinned.id = n.pinned_channel \
    LEFT JOIN late_tasks l ON l.id = t.id";

/// A row of [`TASK_COLUMNS`] and [`STORY`].
pub(super) fn story(row: &impl Cells, entries: Vec<Entry>, events: Vec<Event>) -> Result<Story> {
    Ok(Story {
        task: task(row)?,
        upstream_id: row.text_or_null("upstream_id")?,
        key: KeyId(row.int("key_id")?),
        key_label: row.text("label")?,
        channel: row.text_or_null("channel_name")?,
        request: row.text("request")?,
        unfinished: row
            .int_or_null("turn")?
            .map(|turn| unfinished(row, turn))
            .transpose()?,
        late: row
            .int_or_null("looks")?
            .map(|looks| {
                let due_at = row.int("look_due_at")?;
                Ok::<_, StoreError>(LateLooks { looks, due_at })
            })
            .transpose()?,
        entries,
        events,
    })
}

fn unfinished(row: &impl Cells, turn: i64) -> Result<Unfinished> {
    Ok(Unfinished {
        turn,
        stage: row.text("stage")?,
        due_at: row.int("due_at")?,
        deadline: row.int("deadline")?,
        channel: row.text_or_null("at_channel")?,
        pinned_channel: row.text_or_null("pinned_channel")?,
        attempts: row.int("attempts")?,
        polls: row.int("polls")?,
        missing: row.int("missing")?,
    })
}

/// The page of a filter that at most one task passes: it, or none.
pub(super) fn one(rows: &[impl Cells], offset: i64, limit: i64) -> Result<Page> {
    let total = rows.len();
    let shown = rows.iter().filter(|_| offset == 0 && limit > 0);
    Ok(Page {
        items: shown.map(task).collect::<Result<_>>()?,
        total: i64::try_from(total).unwrap_or(i64::MAX),
    })
}

/// The page of a filter with its total, if that is all of it: the rows hold the `total` of the filter
/// each, and what there is of the page among the newest tasks.
pub(super) fn newest(rows: &[impl Cells], offset: i64, limit: i64) -> Result<Option<Page>> {
    let total = rows.first().map_or(Ok(0), |row| row.int("total"))?;
    let mut items = Vec::new();
    for row in rows {
        if row.int_or_null("id")?.is_some() {
            items.push(task(row)?);
        }
    }
    let whole = (total - offset).clamp(0, limit.max(0));
    let is_whole = usize::try_from(whole) == Ok(items.len());
    Ok(is_whole.then_some(Page { items, total }))
}

/// A block of `task_counts`, by which some were added up.
pub(super) fn counted(row: &impl Cells) -> Result<Counted> {
    Ok(Counted {
        block: row.int("block")?,
        tasks: row.int("tasks")?,
        is_whole: row.flag("is_whole")?,
    })
}

/// What there is `in_status`, and of all that is `unfinished`.
pub(super) fn everywhere(row: &impl Cells) -> Result<Everywhere> {
    Ok(Everywhere {
        in_status: row.int("in_status")?,
        unfinished: row.int("unfinished")?,
    })
}

/// A block, and how many `tasks` it has, or has more.
pub(super) fn block(row: &impl Cells) -> Result<(i64, i64)> {
    Ok((row.int("block")?, row.int("tasks")?))
}

/// The counts of `unfinished_tasks`: none of them is negative.
pub(super) fn backlog(row: &impl Cells) -> Result<Backlog> {
    let counted = |column: &str| Ok::<_, StoreError>(row.int(column)?.unsigned_abs());
    Ok(Backlog {
        to_submit: counted("to_submit")?,
        sending: counted("sending")?,
        at_upstream: counted("at_upstream")?,
        overdue: counted("overdue")?,
    })
}

/// `channel_id` and `upstream_id` of a user's task ($1 `task_id`, $2 `user_id`).
pub(super) const CONTINUATION: &str =
    "SELECT channel_id, upstream_id FROM tasks WHERE task_id = $1 AND user_id = $2";

/// The row of [`CONTINUATION`].
pub(super) fn continuation(found: Option<&impl Cells>) -> Result<Continuation> {
    let Some(found) = found else {
        return Ok(Continuation::NoTask);
    };
    let channel = found.int_or_null("channel_id")?.map(ChannelId);
    let at = channel.zip(found.text_or_null("upstream_id")?);
    Ok(match at {
        Some((channel, upstream_id)) => Continuation::Possible(Continuable {
            channel,
            upstream_id,
        }),
        None => Continuation::NeverAccepted,
    })
}

/// What the admission of a submit depends on.
pub(super) fn facts(found: &impl Cells) -> Result<Facts> {
    let price = found.int_or_null("price")?;
    Ok(Facts {
        price: price
            .map(|price| quota("prices", "quota", 0, price))
            .transpose()?,
        has_channel: found.flag("has_channel")?,
        balance: found.int("balance")?,
        key_left: found.int_or_null("key_left")?,
    })
}

/// The error if fewer users or keys were charged than a batch admits.
pub(super) fn not_charged(charged: impl Display, admitted: impl Display) -> StoreError {
    bad(
        "users",
        "quota",
        0,
        &format!("{charged} of {admitted} charges"),
    )
}

/// The columns `id` and `turn`.
pub(super) fn at_turn((id, turn): (i64, i64)) -> AtTurn {
    AtTurn {
        row: RowId(id),
        turn: Turn(turn),
    }
}

/// A row of `unfinished_tasks` beside its task, to be submitted.
pub(super) fn submit_job(found: &impl Cells) -> Result<SubmitJob> {
    let id = found.int("id")?;
    Ok(SubmitJob {
        at: at_turn((id, found.int("turn")?)),
        task_id: parse("tasks", "task_id", id, &found.text("task_id")?)?,
        platform: parse("tasks", "platform", id, &found.text("platform")?)?,
        action: parse("tasks", "action", id, &found.text("action")?)?,
        request: found.text("request")?,
        pinned: found.int_or_null("pinned_channel")?.map(ChannelId),
        attempts: count("unfinished_tasks", "attempts", id, found.int("attempts")?)?,
        last_channel: found.int_or_null("channel_id")?.map(ChannelId),
        intention: found.text("stage")? == "sending",
        due_at: Millis(found.int("due_at")?),
        deadline: Millis(found.int("deadline")?),
    })
}

/// A row of `unfinished_tasks` that is overdue.
pub(super) fn overdue(found: &impl Cells) -> Result<Overdue> {
    Ok(Overdue {
        at: at_turn((found.int("id")?, found.int("turn")?)),
        poll_at: found.int_or_null("poll_at")?.map(ChannelId),
        due_at: Millis(found.int("due_at")?),
    })
}

/// A row of `late_tasks` beside its task's name.
pub(super) fn late_task(found: &impl Cells) -> Result<LateTask> {
    let id = found.int("id")?;
    Ok(LateTask {
        row: RowId(id),
        channel: ChannelId(found.int("channel_id")?),
        task_id: parse("tasks", "task_id", id, &found.text("task_id")?)?,
        upstream_id: found.text("upstream_id")?,
    })
}

/// A row of `unfinished_tasks` beside its task, to be polled.
pub(super) fn poll_job(found: &impl Cells) -> Result<PollJob> {
    let id = found.int("id")?;
    Ok(PollJob {
        at: at_turn((id, found.int("turn")?)),
        task_id: parse("tasks", "task_id", id, &found.text("task_id")?)?,
        upstream_id: found.text("upstream_id")?,
        status: parse("tasks", "status", id, &found.text("status")?)?,
        progress: progress("tasks", id, found.int("progress")?)?,
        digest: found.int("digest")?,
        polls: count("unfinished_tasks", "polls", id, found.int("polls")?)?,
        missing: count("unfinished_tasks", "missing", id, found.int("missing")?)?,
        due_at: Millis(found.int("due_at")?),
        deadline: Millis(found.int("deadline")?),
    })
}
