//! `task show`: everything the database knows of a task.

use clap::Subcommand;
use serde::Serialize;
use shared::clock::Millis;
use shared::config::ListingActions;
use shared::store::story::{Entry, Event, LateLooks, Story, Unfinished};
use shared::task::{KeyId, TaskId};

use super::output::fields;
use super::table::table;
use super::{CommandContext, CommandError, Output};
use crate::routes::task::detail::TaskDetail;
use crate::routes::task::item::{Columns, StoredJson};

/// The commands on tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Show a task's row, its next step, its ledger entries and its history
    Show {
        /// The task's id: `task_` and 32 letters and digits
        task_id: TaskId,
    },
}

/// What `/api/task/{task_id}` shows an administrator, then what only operators see. `request` is null once the
/// task has ended. `due_at`, `deadline` and
/// `at` are Unix milliseconds, all other times Unix seconds.
#[derive(Serialize)]
struct TaskJson<'a> {
    #[serde(flatten)]
    detail: TaskDetail<'a>,
    upstream_id: Option<&'a str>,
    channel: Option<&'a str>,
    key_id: KeyId,
    key: &'a str,
    request: Option<StoredJson<'a>>,
    unfinished: Option<&'a Unfinished>,
    late: Option<LateLooks>,
}

impl TaskCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        let Self::Show { task_id } = self;
        match context.store.story(&task_id).await? {
            Some(story) => Output::new(in_words(&story), &task_json(&story)),
            None => Err(CommandError::new(format!("there is no task `{task_id}`"))),
        }
    }
}

fn task_json(story: &Story) -> TaskJson<'_> {
    let data = story.task.data.as_deref();
    let data = data.map_or(StoredJson::None {}, StoredJson::of);
    TaskJson {
        detail: TaskDetail::new(story, Columns::All, ListingActions::Document, data),
        upstream_id: story.upstream_id.as_deref(),
        channel: story.channel.as_deref(),
        key_id: story.key,
        key: &story.key_label,
        request: story.request.as_deref().map(StoredJson::of),
        unfinished: story.unfinished.as_ref(),
        late: story.late,
    }
}

fn in_words(story: &Story) -> String {
    let task = &story.task;
    let channel = story.channel.as_ref().map_or_else(
        || "none yet".to_owned(),
        |name| format!("{name} (id {})", task.channel_id),
    );
    let upstream_id = story.upstream_id.as_deref().unwrap_or("none yet");
    let data = task.data.as_deref().unwrap_or("none yet");
    let row = fields(&[
        ("task", task.task_id.as_str()),
        ("id", &task.id.to_string()),
        ("user", &format!("{} (id {})", task.username, task.user_id)),
        ("what", &format!("{} {}", task.platform, task.action)),
        ("status", &format!("{}, {}", task.status, task.progress)),
        ("fail reason", &task.fail_reason),
        ("price", &task.quota.to_string()),
        ("key", &format!("{} (id {})", story.key_label, story.key)),
        ("channel", &channel),
        ("upstream id", upstream_id),
        ("submitted", &moment(task.submit_time)),
        ("started", &moment(task.start_time)),
        ("finished", &moment(task.finish_time)),
        ("updated", &moment(task.updated_at)),
        ("next", &next(story)),
        ("deadline", &deadline(story)),
        ("so far", &so_far(story)),
        ("input", &beginning(&task.input)),
        ("data", &beginning(data)),
    ]);
    let ledger = story.entries.iter().map(ledger_row);
    let ledger = table(["TIME", "KIND", "AMOUNT"], ledger);
    let history = story.events.iter().map(history_row);
    let history = table(["TIME", "TURN", "WHAT", "DETAIL"], history);
    format!("{row}\nLedger\n{ledger}\nHistory\n{history}")
}

/// The next step, and when it is due.
fn next(story: &Story) -> String {
    let Some(work) = &story.unfinished else {
        return story.late.map_or_else(
            || "nothing: it is finished".to_owned(),
            |late| {
                let (at, looks) = (Millis(late.due_at).utc(), late.looks);
                format!("one more look at its upstream, {at}; looks so far: {looks}")
            },
        );
    };
    let due = Millis(work.due_at).utc();
    let channel = work.channel.as_deref().unwrap_or("no channel");
    let what = match work.stage.as_str() {
        "submit" => format!("to be submitted, due {due}"),
        "sending" => {
            format!("being sent to {channel}; whoever sends it counts as dead after {due}")
        }
        "poll" => format!("to be polled at {channel}, due {due}"),
        other => format!("{other}, due {due}"),
    };
    format!("turn {}: {what}", work.turn)
}

/// The deadline of an unfinished task.
fn deadline(story: &Story) -> String {
    let work = story.unfinished.as_ref();
    work.map_or_else(String::new, |work| Millis(work.deadline).utc())
}

/// What was tried so far to finish an unfinished task.
fn so_far(story: &Story) -> String {
    let Some(work) = &story.unfinished else {
        return String::new();
    };
    let tried = format!("submits that did not arrive: {}", work.attempts);
    let polls = format!("polls answered: {}", work.polls);
    let missing = (work.missing > 0).then(|| format!("left out of the last {}", work.missing));
    let pinned = work.pinned_channel.as_ref();
    let pinned = pinned.map(|name| format!("continues a task of {name}, and can go there only"));
    let all = [Some(tried), Some(polls), missing, pinned];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
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

/// A time in Unix seconds; 0 is "not yet".
fn moment(seconds: i64) -> String {
    if seconds == 0 {
        return "not yet".to_owned();
    }
    Millis(seconds.saturating_mul(1000)).utc()
}

/// The first 200 characters of a text.
pub(super) fn beginning(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… (--json shows all)", &text[..end]),
        None => text.to_owned(),
    }
}
