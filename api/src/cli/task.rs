//! `task show`: everything that is known of a task.

use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::clock::Millis;
use shared::store::books::{Entry, Event, Story};
use shared::task::{ChannelId, Quota, RowId, TaskId, UserId};

use super::answer::fields;
use super::table::table;
use super::{Answer, Desk, Refusal};

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a task's row, its ledger entries and its history
    Show {
        /// The task's public name: `task_` and 32 letters and digits
        task_id: TaskId,
    },
}

/// The row as the listings print it, then what only operators see. Times of the row are Unix
/// seconds, `due_at` and `at` Unix milliseconds.
#[derive(Serialize)]
struct Shown<'a> {
    id: RowId,
    created_at: i64,
    updated_at: i64,
    task_id: &'a TaskId,
    platform: &'a str,
    user_id: UserId,
    username: &'a str,
    channel_id: ChannelId,
    quota: Quota,
    action: &'static str,
    status: &'static str,
    fail_reason: &'a str,
    submit_time: i64,
    start_time: i64,
    finish_time: i64,
    progress: String,
    properties: Properties<'a>,
    data: Data<'a>,
    upstream_id: Option<&'a str>,
    unfinished: Option<Unfinished>,
    ledger: Vec<Booked<'a>>,
    history: Vec<Happened<'a>>,
}

#[derive(Serialize)]
struct Properties<'a> {
    input: &'a str,
}

/// The upstream's result as it is stored; `{}` while there is none, a string if it is no JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Json(&'a RawValue),
    Broken(&'a str),
    None {},
}

#[derive(Serialize)]
struct Unfinished {
    turn: i64,
    due_at: i64,
}

#[derive(Serialize)]
struct Booked<'a> {
    at: i64,
    kind: &'a str,
    amount: i64,
}

#[derive(Serialize)]
struct Happened<'a> {
    at: i64,
    turn: i64,
    kind: &'a str,
    detail: &'a str,
}

impl Command {
    pub(super) async fn answer(self, desk: Desk<'_>) -> Result<Answer, Refusal> {
        let Self::Show { task_id } = self;
        match desk.store.story(&task_id).await? {
            Some(story) => Answer::new(in_words(&story), &shown(&story)),
            None => Err(Refusal::new(format!("there is no task `{task_id}`"))),
        }
    }
}

fn shown(story: &Story) -> Shown<'_> {
    let task = &story.task;
    Shown {
        id: task.id,
        created_at: task.created_at,
        updated_at: task.updated_at,
        task_id: &task.task_id,
        platform: &task.platform,
        user_id: task.user_id,
        username: &task.username,
        channel_id: task.channel_id,
        quota: task.quota,
        action: task.action.as_str(),
        status: task.status.as_str(),
        fail_reason: &task.fail_reason,
        submit_time: task.submit_time,
        start_time: task.start_time,
        finish_time: task.finish_time,
        progress: task.progress.to_string(),
        properties: Properties { input: &task.input },
        data: task.data.as_deref().map_or(Data::None {}, |data| {
            serde_json::from_str(data).map_or(Data::Broken(data), Data::Json)
        }),
        upstream_id: story.upstream_id.as_deref(),
        unfinished: story
            .unfinished
            .map(|(turn, due_at)| Unfinished { turn, due_at }),
        ledger: story.entries.iter().map(booked).collect(),
        history: story.events.iter().map(happened).collect(),
    }
}

fn booked(entry: &Entry) -> Booked<'_> {
    Booked {
        at: entry.at,
        kind: &entry.kind,
        amount: entry.amount,
    }
}

fn happened(event: &Event) -> Happened<'_> {
    Happened {
        at: event.at,
        turn: event.turn,
        kind: &event.kind,
        detail: &event.detail,
    }
}

fn in_words(story: &Story) -> String {
    let task = &story.task;
    let channel = match task.channel_id {
        ChannelId(0) => "none yet".to_owned(),
        channel => channel.to_string(),
    };
    let next = story.unfinished.map_or_else(
        || "nothing: it is finished".to_owned(),
        |(turn, due_at)| format!("turn {turn}, due {}", Millis(due_at).utc()),
    );
    let row = fields(&[
        ("task", task.task_id.as_str()),
        ("id", &task.id.to_string()),
        ("user", &format!("{} (id {})", task.username, task.user_id)),
        ("what", &format!("{} {}", task.platform, task.action)),
        ("status", &format!("{}, {}", task.status, task.progress)),
        ("fail reason", &task.fail_reason),
        ("price", &task.quota.to_string()),
        ("channel id", &channel),
        (
            "upstream id",
            story.upstream_id.as_deref().unwrap_or("none yet"),
        ),
        ("submitted", &moment(task.submit_time)),
        ("started", &moment(task.start_time)),
        ("finished", &moment(task.finish_time)),
        ("updated", &moment(task.updated_at)),
        ("next", &next),
        ("input", &beginning(&task.input)),
        (
            "data",
            &beginning(task.data.as_deref().unwrap_or("none yet")),
        ),
    ]);
    let ledger: Vec<[String; 3]> = story.entries.iter().map(ledger_row).collect();
    let history: Vec<[String; 4]> = story.events.iter().map(history_row).collect();
    format!(
        "{row}\nLedger\n{}\nHistory\n{}",
        table(["TIME", "KIND", "AMOUNT"], &ledger),
        table(["TIME", "TURN", "WHAT", "DETAIL"], &history),
    )
}

fn ledger_row(entry: &Entry) -> [String; 3] {
    [
        Millis(entry.at).utc(),
        entry.kind.clone(),
        entry.amount.to_string(),
    ]
}

fn history_row(event: &Event) -> [String; 4] {
    [
        Millis(event.at).utc(),
        event.turn.to_string(),
        event.kind.clone(),
        beginning(&event.detail),
    ]
}

/// A time of the row (Unix seconds), which has not come yet if it is 0.
fn moment(seconds: i64) -> String {
    if seconds == 0 {
        return "not yet".to_owned();
    }
    Millis(seconds.saturating_mul(1000)).utc()
}

/// As much of a long text as a line may hold.
pub(super) fn beginning(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… (--json shows all)", &text[..end]),
        None => text.to_owned(),
    }
}
