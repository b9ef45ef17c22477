//! Reads cells of rows; the error of a bad cell names its table, column and row.

use std::fmt::Display;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use super::admission::{Facts, FirstUse};
use super::turns::{Ended, LateTask, Overdue, PollJob, Sending, SubmitJob};
use super::{Result, StoreError};
use crate::clock::Millis;
use crate::task::{AtTurn, ChannelId, KeyId, Progress, Quota, RowId, Turn, UserId};

/// A text that must parse as `T`.
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

/// The error of a cell that holds what the Store never writes.
pub(super) fn bad(table: &'static str, column: &'static str, id: i64, held: &str) -> StoreError {
    StoreError::BadRow {
        table,
        column,
        id,
        held: held.to_owned(),
    }
}

/// Reads the row of a task at its turn. A row that cannot be read must not hold up the others of its batch:
/// this function logs the error and leaves the row out.
pub(super) fn good<R: Cells, T>(found: &R, read: impl Fn(&R) -> Result<T>) -> Option<T> {
    let (row, turn) = (found.int("id").ok(), found.int("turn").ok());
    read(found)
        .inspect_err(|error| tracing::error!(row, turn, %error, "a row is left out"))
        .ok()
}

/// A type that a cell of either database can be read as.
pub(super) trait Cell:
    for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>
{
}

impl<T> Cell for T where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>
{
}

/// The cells of a row of either database.
pub(super) trait Cells {
    /// A cell.
    fn get<T: Cell>(&self, column: &str) -> Result<T>;

    /// A number.
    fn int(&self, column: &str) -> Result<i64> {
        self.get(column)
    }

    /// A number or NULL.
    fn int_or_null(&self, column: &str) -> Result<Option<i64>> {
        self.get(column)
    }

    /// A text.
    fn text(&self, column: &str) -> Result<String> {
        self.get(column)
    }

    /// A text or NULL.
    fn text_or_null(&self, column: &str) -> Result<Option<String>> {
        self.get(column)
    }

    /// Yes or no.
    fn flag(&self, column: &str) -> Result<bool> {
        self.get(column)
    }
}

impl Cells for PgRow {
    fn get<T: Cell>(&self, column: &str) -> Result<T> {
        Ok(self.try_get(column)?)
    }
}

impl Cells for SqliteRow {
    fn get<T: Cell>(&self, column: &str) -> Result<T> {
        Ok(self.try_get(column)?)
    }
}

/// What the admission of a submit depends on, beside how many of the user's tasks wait.
pub(super) fn facts(found: &impl Cells, waiting: i64) -> Result<Facts> {
    let price = found.int_or_null("price")?;
    Ok(Facts {
        price: price
            .map(|price| quota("prices", "quota", 0, price))
            .transpose()?,
        has_channel: found.flag("has_channel")?,
        balance: found.int("balance")?,
        key_left: found.int_or_null("key_left")?,
        max_waiting: found.int("max_waiting")?,
        waiting,
    })
}

/// A used idempotency key: its user and itself, and what it was first used for.
pub(super) fn first_use(found: &impl Cells) -> Result<((UserId, String), FirstUse)> {
    let user = found.int("user_id")?;
    let first = FirstUse {
        request: found.get("request")?,
        meaning: found.get("meaning")?,
        task: parse("idempotency_keys", "task_id", user, &found.text("task_id")?)?,
        at: Millis(found.int("created_at")?),
    };
    Ok(((UserId(user), found.text("key")?), first))
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
        user: UserId(found.int("user_id")?),
        platform: parse("tasks", "platform", id, &found.text("platform")?)?,
        action: parse("tasks", "action", id, &found.text("action")?)?,
        request: found.text("request")?,
        pinned: found.int_or_null("pinned_channel")?.map(ChannelId),
        attempts: count("unfinished_tasks", "attempts", id, found.int("attempts")?)?,
        last_channel: found.int_or_null("channel_id")?.map(ChannelId),
        sending: match (found.text("stage")?.as_str(), found.int_or_null("claim")?) {
            ("sending", Some(_)) => Sending::Orphaned {
                sent_to: found.int_or_null("sent_to")?,
            },
            ("sending", None) => Sending::Again {
                sent_to: found.int("sent_to")?,
            },
            _ => Sending::NotSent,
        },
        due_at: Millis(found.int("due_at")?),
        deadline: Millis(found.int("deadline")?),
        last_heard: found.text_or_null("last_heard")?,
    })
}

/// A row of `tasks` whose task has ended.
pub(super) fn ended(found: &impl Cells) -> Result<Ended> {
    let id = found.int("id")?;
    Ok(Ended {
        row: RowId(id),
        user: UserId(found.int("user_id")?),
        key: KeyId(found.int("key_id")?),
        action: parse("tasks", "action", id, &found.text("action")?)?,
        upstream_id: found.text_or_null("upstream_id")?,
        channel: found.int_or_null("channel_id")?.map(ChannelId),
        submitted: found.int("submit_time")?,
        price: quota("tasks", "quota", id, found.int("quota")?)?,
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
        action: parse("tasks", "action", id, &found.text("action")?)?,
        upstream_id: found.text("upstream_id")?,
    })
}

/// A row of `unfinished_tasks` beside its task, to be polled.
pub(super) fn poll_job(found: &impl Cells) -> Result<PollJob> {
    let id = found.int("id")?;
    Ok(PollJob {
        at: at_turn((id, found.int("turn")?)),
        task_id: parse("tasks", "task_id", id, &found.text("task_id")?)?,
        action: parse("tasks", "action", id, &found.text("action")?)?,
        upstream_id: found.text("upstream_id")?,
        status: parse("tasks", "status", id, &found.text("status")?)?,
        progress: progress("tasks", id, found.int("progress")?)?,
        digest: found.int("digest")?,
        polls: count("unfinished_tasks", "polls", id, found.int("polls")?)?,
        missing: count("unfinished_tasks", "missing", id, found.int("missing")?)?,
        due_at: Millis(found.int("due_at")?),
        deadline: Millis(found.int("deadline")?),
        accepted_at: found.int_or_null("accepted_at")?.map(Millis),
    })
}
