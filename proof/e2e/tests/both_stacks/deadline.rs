//! Tasks that do not end in time, by our own clock.

use std::time::Duration;

use e2e::{on_both, setup};
use harness::client::SONG;
use harness::cluster::Cluster;
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{SOON, failure};

/// `TASK_TIMEOUT` of the tasks with statuses that nobody knows, in milliseconds.
const DEADLINE_MS: i64 = 10_000;

pub fn scenarios() -> Vec<Trial> {
    // The first look at a task that was given up comes a minute after.
    let late_limit = Duration::from_secs(150);
    vec![
        on_both(
            "a song that is made after its deadline changes nothing about the money",
            &setup().env("TASK_TIMEOUT", "4s").limit(late_limit),
            late,
        ),
        on_both(
            "a status that nobody knows is no end until the deadline is",
            &setup().env("TASK_TIMEOUT", &format!("{DEADLINE_MS}ms")),
            unknown_statuses,
        ),
    ]
    .into_flattened()
}

async fn late(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let title = "Too Late sim:takes=1h";
    let id = user.song(title).await;
    let reason = failure(&user, &id).await;
    assert!(reason.contains("deadline"), "{reason}");
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 0));
    let before = user.listed(&id).await;

    cluster.upstream().finish(json!({ "title": title })).await;
    let operator = cluster.operator();
    let within = Duration::from_secs(90);
    eventually(within, "the late result in the history", async || {
        let shown = operator.json(&["task", "show", &id]).await;
        let history = shown["history"].as_array().expect("a history is a list");
        let late = history.iter().find(|event| event["kind"] == "late")?;
        let detail = late["detail"].as_str().expect("a detail is a text");
        assert!(detail.starts_with("SUCCESS"), "{detail}");
        Some(())
    })
    .await;
    assert_eq!(
        user.listed(&id).await,
        before,
        "the user's task stays as it was"
    );
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 0));
}

async fn unknown_statuses(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let mut tasks = Vec::new();
    for fault in ["unknown", "weird-status", "empty-status", "stuck"] {
        let title = format!("Odd sim:{fault}");
        tasks.push((user.song(&title).await, title));
    }
    for (_, title) in &tasks {
        eventually(SOON, "a poll", async || {
            let tasks = cluster.upstream().tasks(title).await;
            let asked = tasks.first()?["asked"].as_u64()?;
            (asked > 0).then_some(())
        })
        .await;
    }
    for (id, _) in &tasks {
        let reason = failure(&user, id).await;
        assert!(reason.contains("deadline"), "{reason}");
        // Nobody waits for a clip of a task that has failed.
        let task = user.task(id).await;
        for clip in task["data"].as_array().expect("there are clips") {
            let status = clip["status"].as_str().unwrap_or_default();
            assert!(["error", "complete"].contains(&status), "{task}");
        }
        // On a busy machine nobody may look before the deadline, but the story of the task tells.
        let story = cluster.operator().json(&["task", "show", id]).await;
        let stored = at(&story, "history", "stored");
        for (list, kind) in [("history", "ended"), ("ledger", "refund")] {
            let after = at(&story, list, kind) - stored;
            assert!(after >= DEADLINE_MS, "{kind} {after} ms after: {story}");
        }
    }
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 0));
}

/// When the only entry of this kind in a list of a task's story happened, in Unix milliseconds.
fn at(story: &Value, list: &str, kind: &str) -> i64 {
    let entries = story[list].as_array().expect("it is a list");
    let mut times = entries.iter().filter(|entry| entry["kind"] == kind);
    let (only, next) = (times.next(), times.next());
    assert!(next.is_none(), "{kind} more than once: {story}");
    let at = only.and_then(|entry| entry["at"].as_i64());
    at.unwrap_or_else(|| panic!("no {kind}: {story}"))
}
