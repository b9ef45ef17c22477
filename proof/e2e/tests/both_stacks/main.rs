//! The same scenarios on both stacks: `api` and two workers on `PostgreSQL` and `RabbitMQ`, and
//! `task-center` on `SQLite` in one process.
//!
//! | file | what happens |
//! |---|---|
//! | `music` | what the task center is for: songs, lyrics, continuations, and how they are listed |
//! | `money` | what is charged, given back, and refused |
//! | `actions` | everything that a platform makes beside songs and lyrics |
//! | `dialects` | the dialects of a platform; what clients see is the same in each |
//! | `hooks` | vendors that call when a task has ended |
//! | `mureka` | the platform `mureka`: every action, and what goes wrong there |
//! | `fal` | the platform `fal`: music of several models, and what goes wrong there |
//! | `submits` | submits that go wrong |
//! | `polls` | polls that go wrong |
//! | `deadline` | tasks that do not end in time |
//! | `crashes` | processes that stop and die |
//! | `local` | a worker in trouble of its own |
//! | `flow` | who is next, how many run at once, and when a channel is left alone |
//! | `looks` | when channels are asked about their tasks |
//! | `channels` | what operators do to channels while tasks are under way |
//! | `operations` | what operators see, and what they do |
//!
//! After each scenario the books balance, nothing was submitted twice, and no answer held a secret:
//! `e2e::check`.

mod actions;
mod channels;
mod crashes;
mod deadline;
mod dialects;
mod fal;
mod flow;
mod hooks;
mod local;
mod looks;
mod money;
mod mureka;
mod music;
mod operations;
mod polls;
mod submits;

use std::process::ExitCode;
use std::time::Duration;

use harness::client::Client;
use serde_json::Value;

/// How long a task that takes a second or two may take until it is seen to have ended.
const SOON: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    // Those that take longest come first.
    let scenarios = [
        deadline::scenarios(),
        crashes::scenarios(),
        flow::scenarios(),
        polls::scenarios(),
        looks::scenarios(),
        submits::scenarios(),
        dialects::scenarios(),
        hooks::scenarios(),
        mureka::scenarios(),
        fal::scenarios(),
        actions::scenarios(),
        music::scenarios(),
        money::scenarios(),
        local::scenarios(),
        operations::scenarios(),
        channels::scenarios(),
    ];
    harness::suite::run(scenarios.into_iter().flatten().collect())
}

/// The end of a task that must succeed.
async fn success(client: &Client, id: &str) -> Value {
    let task = client.end_of(id, SOON).await;
    assert_eq!(task["status"], "SUCCESS", "{task}");
    assert_eq!(task["progress"], "100%", "{task}");
    assert_eq!(task["fail_reason"], "", "{task}");
    task
}

/// The reason of a task that must fail.
async fn failure(client: &Client, id: &str) -> String {
    let task = client.end_of(id, SOON).await;
    assert_eq!(task["status"], "FAILURE", "{task}");
    assert_eq!(task["progress"], "100%", "{task}");
    let reason = task["fail_reason"].as_str().expect("a reason is a text");
    assert!(!reason.is_empty(), "{task}");
    reason.to_owned()
}

/// Songs that succeed with these faults, and others that fail with these faults and for these reasons. Returns how many
/// succeed.
async fn lives(
    client: &Client,
    song: impl AsyncFn(&str) -> String,
    well: &[&str],
    failing: &[(&str, &str)],
) -> i64 {
    let mut tasks = Vec::new();
    for faults in well {
        tasks.push(song(faults).await);
    }
    for (faults, words) in failing {
        let reason = failure(client, &song(faults).await).await;
        assert!(reason.contains(words), "{faults}: {reason}");
    }
    for task in &tasks {
        success(client, task).await;
    }
    i64::try_from(tasks.len()).expect("they are few")
}

/// The names of an object's fields, in order of the alphabet, with spaces between.
fn fields(object: &Value) -> String {
    let object = object.as_object().expect("it is an object");
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}
