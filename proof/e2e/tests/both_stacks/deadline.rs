//! Tasks that do not end in time, by our own clock.

use std::time::Duration;

use e2e::{on_both, setup};
use harness::client::{SONG, is_terminal};
use harness::cluster::Cluster;
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::json;

use crate::{SOON, failure};

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
            &setup().env("TASK_TIMEOUT", "10s"),
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
    for (id, title) in &tasks {
        eventually(SOON, "a poll", async || {
            let tasks = cluster.upstream().tasks(title).await;
            let asked = tasks.first()?["asked"].as_u64()?;
            (asked > 0).then_some(())
        })
        .await;
        let task = user.task(id).await;
        assert!(!is_terminal(&task), "it was asked once, and is {task}");
    }
    assert_eq!(cluster.quota("ann").await, (6 * SONG, 4 * SONG));
    for (id, _) in &tasks {
        let reason = failure(&user, id).await;
        assert!(reason.contains("deadline"), "{reason}");
        // Nobody waits for a clip of a task that has failed.
        let task = user.task(id).await;
        for clip in task["data"].as_array().expect("there are clips") {
            let status = clip["status"].as_str().unwrap_or_default();
            assert!(["error", "complete"].contains(&status), "{task}");
        }
    }
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 0));
}
