//! The story of one task, and how many tasks are unfinished.

use serde::Serialize;

use super::listing::{self, TaskView};
use super::row::Cells as _;
use super::sql::{Row, Tx, sql};
use super::turns::NO_REQUEST;
use super::{Result, Store, StoreError};
use crate::clock::Millis;
use crate::task::{KeyId, TaskId, UserId};

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// `charge`, `refund` or `grant`.
    pub kind: String,
    /// By how much the entry changed the user's quota.
    pub amount: i64,
}

/// One line of a task's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// The turn at which it happened.
    pub turn: i64,
    /// What happened, in one word: see [`crate::task::history`].
    pub kind: String,
    /// The rest, for a person.
    pub detail: String,
}

/// How many tasks are unfinished, by what they wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// To be submitted.
    pub to_submit: u64,
    /// With a recorded intention to submit, without an outcome yet.
    pub sending: u64,
    /// Accepted by an upstream.
    pub at_upstream: u64,
    /// Of all of these: tasks that were due before the given moment.
    pub overdue: u64,
}

/// What workers know of an unfinished task. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Its turn.
    pub turn: i64,
    /// The next step: `submit`, `sending` (an intention to submit is recorded without an outcome), or
    /// `poll`.
    pub stage: String,
    /// When the next step is due. While a worker is at it: when its lease ends.
    pub due_at: i64,
    /// When we give the task up.
    pub deadline: i64,
    /// The channel that has the task, or that it was sent to last.
    pub channel: Option<String>,
    /// For a continuation: the one channel that can serve the task.
    pub pinned_channel: Option<String>,
    /// How many submits certainly did not arrive; those answered 429 do not count.
    pub attempts: i64,
    /// How many polls were answered.
    pub polls: i64,
    /// How many polls in a row the upstream left the task out of.
    pub missing: i64,
}

/// The late looks at a task that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LateLooks {
    /// How many looks there were.
    pub looks: i64,
    /// When the next look is due, in Unix milliseconds.
    pub due_at: i64,
}

/// Everything that is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Its row.
    pub task: TaskView,
    /// The upstream's name of the task, once accepted.
    pub upstream_id: Option<String>,
    /// The API key that the task was submitted with.
    pub key: KeyId,
    /// The label of that key.
    pub key_label: String,
    /// The name of the channel that has the task, or had it last.
    pub channel: Option<String>,
    /// The request for the upstream: JSON. `None`: the task has ended, and its request is gone.
    pub request: Option<String>,
    /// While the task is unfinished: what workers know of it.
    pub unfinished: Option<Unfinished>,
    /// If we gave the task up while its upstream may still finish it: the looks.
    pub late: Option<LateLooks>,
    /// Its ledger entries, oldest first.
    pub entries: Vec<Entry>,
    /// Its history, oldest first.
    pub events: Vec<Event>,
}

/// Everything about one task `t` but its ledger and its history; the condition is to follow.
const STORY: &str = "t.upstream_id, t.key_id, k.label, t.request, \
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

impl Store {
    /// Everything that is known of a task, whoever's it is.
    pub async fn story(&self, task: &TaskId) -> Result<Option<Story>> {
        self.story_of(task, None).await
    }

    /// Everything that is known of a task, if it is this user's; `None`: of anybody's. Its row, its ledger
    /// and its history come from one snapshot.
    pub async fn story_of(&self, task: &TaskId, user: Option<UserId>) -> Result<Option<Story>> {
        let columns = listing::whole();
        let select = sql(format!(
            "SELECT {columns}, {STORY}
             WHERE t.task_id = $1 AND ($2 IS NULL OR t.user_id = $2)"
        ))
        .bind(task.as_str()) // $1 task_id
        .bind(user.map(|user| user.0)); // $2 user_id
        let story = self
            .database
            .snapshot("plan_cache_mode = auto", move |tx| {
                Box::pin(async move {
                    match tx.optional(select).await? {
                        Some(found) => Ok(Some(story(tx, &found).await?)),
                        None => Ok(None),
                    }
                })
            })
            .await?;
        let Some(mut story) = story else {
            return Ok(None);
        };
        self.add_large_result(&mut story.task).await?;
        Ok(Some(story))
    }

    /// How many tasks are unfinished.
    pub async fn unfinished(&self) -> Result<i64> {
        let count = sql("SELECT count(*) AS tasks FROM unfinished_tasks");
        self.database.one(count).await?.int("tasks")
    }

    /// How many tasks are unfinished, by what they wait for, and how many of those that do not
    /// wait in a line were due before `due_before`.
    /// Reads the narrow table alone.
    pub async fn backlog(&self, due_before: Millis) -> Result<Backlog> {
        let count = sql(
            "SELECT count(*) FILTER (WHERE stage = 'submit') AS to_submit,
                    count(*) FILTER (WHERE stage = 'sending') AS sending,
                    count(*) FILTER (WHERE stage = 'poll') AS at_upstream,
                    count(*) FILTER (WHERE due_at < $1 AND stage <> 'submit') AS overdue
             FROM unfinished_tasks",
        );
        let found = self.database.one(count.bind(due_before.0)).await?;
        // No count is negative.
        let count = |column| Ok::<_, StoreError>(found.int(column)?.unsigned_abs());
        Ok(Backlog {
            to_submit: count("to_submit")?,
            sending: count("sending")?,
            at_upstream: count("at_upstream")?,
            overdue: count("overdue")?,
        })
    }
}

/// The story of a row of [`STORY`].
async fn story(tx: &mut Tx, found: &Row) -> Result<Story> {
    let id = found.int("id")?;
    let entries = "SELECT created_at, kind, amount FROM ledger WHERE task_id = $1 ORDER BY id";
    let entries = tx.all(sql(entries).bind(id)).await?;
    let events = "SELECT at, turn, kind, detail FROM task_events WHERE task_id = $1 ORDER BY id";
    let events = tx.all(sql(events).bind(id)).await?;
    Ok(Story {
        task: listing::task(found)?,
        upstream_id: found.text_or_null("upstream_id")?,
        key: KeyId(found.int("key_id")?),
        key_label: found.text("label")?,
        channel: found.text_or_null("channel_name")?,
        request: Some(found.text("request")?).filter(|request| request != NO_REQUEST),
        unfinished: unfinished(found)?,
        late: late_looks(found)?,
        entries: entries.iter().map(entry).collect::<Result<_>>()?,
        events: events.iter().map(event).collect::<Result<_>>()?,
    })
}

fn unfinished(found: &Row) -> Result<Option<Unfinished>> {
    let Some(turn) = found.int_or_null("turn")? else {
        return Ok(None);
    };
    Ok(Some(Unfinished {
        turn,
        stage: found.text("stage")?,
        due_at: found.int("due_at")?,
        deadline: found.int("deadline")?,
        channel: found.text_or_null("at_channel")?,
        pinned_channel: found.text_or_null("pinned_channel")?,
        attempts: found.int("attempts")?,
        polls: found.int("polls")?,
        missing: found.int("missing")?,
    }))
}

fn late_looks(found: &Row) -> Result<Option<LateLooks>> {
    let Some(looks) = found.int_or_null("looks")? else {
        return Ok(None);
    };
    let due_at = found.int("look_due_at")?;
    Ok(Some(LateLooks { looks, due_at }))
}

fn entry(found: &Row) -> Result<Entry> {
    Ok(Entry {
        at: found.int("created_at")?,
        kind: found.text("kind")?,
        amount: found.int("amount")?,
    })
}

fn event(found: &Row) -> Result<Event> {
    Ok(Event {
        at: found.int("at")?,
        turn: found.int("turn")?,
        kind: found.text("kind")?,
        detail: found.text("detail")?,
    })
}
