//! Polls that go wrong.

use std::time::Duration;

use harness::client::{Client, SONG, is_terminal, percent, rank};
use harness::cluster::Cluster;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::dialects::{In, in_each};
use crate::{SOON, failure, success};

pub fn scenarios() -> Vec<Trial> {
    in_each(scenarios_in)
}

fn scenarios_in(dialect: &In) -> Vec<Trial> {
    let setup = || dialect.setup();
    let always_fails = if dialect.has_batches() {
        // There it is a fetch of many tasks that fails.
        Vec::new()
    } else {
        let setup = setup().env("TASK_TIMEOUT", "25s");
        dialect.on(
            "a task whose fetch always fails hurts nobody else",
            &setup,
            always_fails,
        )
    };
    vec![
        always_fails,
        dialect.on(
            "an id that is left out, or spoils a whole batch, hurts nobody else",
            &setup().env("TASK_TIMEOUT", "25s"),
            missing_ids,
        ),
        dialect.on(
            "polls that are refused, cut, garbled or never answered only delay",
            &setup(),
            broken_polls,
        ),
        dialect.on(
            "answers that contradict themselves never show and never fail a task",
            &setup(),
            nonsense,
        ),
        dialect.on(
            "an item that cannot be read hurts nobody else, and its task is read as far as it can be",
            &setup().env("TASK_TIMEOUT", "60s"),
            odd_items,
        ),
        dialect.on(
            "a task that fails upstream is refunded",
            &setup(),
            fails_upstream,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn missing_ids(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let away = user.song("Away sim:missingx2").await;
    let spoils = user.song("Spoils sim:batch-404").await;
    let started = Instant::now();
    let mut healthy = vec![away];
    for number in 0..5 {
        healthy.push(user.song(&format!("Healthy {number}")).await);
    }
    for id in &healthy {
        success(&user, id).await;
    }
    let spoilt_for = started.elapsed();
    assert!(spoilt_for < Duration::from_secs(20), "{spoilt_for:?}");
    let reason = failure(&user, &spoils).await;
    assert!(reason.contains("no longer knew"), "{reason}");
    assert_eq!(cluster.quota("ann").await, (4 * SONG, 6 * SONG));
}

async fn always_fails(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    let fails = user.song("Fails sim:fetch-503").await;
    for number in 0..8 {
        let healthy = user.song(&format!("Healthy {number}")).await;
        // Songs take about a second here, and looks come every two.
        let song = user.end_of(&healthy, Duration::from_secs(8)).await;
        assert_eq!(song["status"], "SUCCESS", "{song}");
    }
    let reason = failure(&user, &fails).await;
    assert!(reason.contains("did not tell of the task"), "{reason}");
    assert_eq!(cluster.quota("ann").await, (12 * SONG, 8 * SONG));
}

async fn odd_items(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    let mut odd = Vec::new();
    for fault in [
        "raw-text",
        "not-a-number",
        "text-data",
        "lower-case",
        "large-data",
    ] {
        odd.push(user.song(&format!("Odd sim:{fault}")).await);
    }
    let deep = user.song("Deep sim:deep-data").await;
    let silent = user.song("Silent sim:clip-reason sim:fail").await;
    let mut healthy = Vec::new();
    for number in 0..5 {
        healthy.push(user.song(&format!("Healthy {number}")).await);
    }
    for id in healthy.iter().chain(&odd) {
        let task = success(&user, id).await;
        assert_eq!(task["data"][0]["status"], "complete", "{task}");
    }
    let reason = failure(&user, &deep).await;
    assert!(reason.contains("deeper than 64"), "{reason}");
    let reason = failure(&user, &silent).await;
    assert!(reason.contains("the model gave up"), "{reason}");
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 10 * SONG));
}

async fn broken_polls(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let mut ids = Vec::new();
    for fault in ["503", "hang", "torn", "garbage"] {
        let title = format!("Later sim:fetch-{fault}x1");
        ids.push(user.song(&title).await);
    }
    for id in &ids {
        success(&user, id).await;
    }
    let counts = cluster.upstream().counts().await;
    for (fault, times) in counts["faults"].as_object().expect("faults") {
        assert!(times.as_u64() >= Some(1), "{fault} did not happen");
    }
    assert_eq!(cluster.quota("ann").await, (6 * SONG, 4 * SONG));
}

async fn nonsense(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    cluster
        .upstream()
        .set_faults(json!({"fetch-strangers": 1}))
        .await;
    let mut ids = Vec::new();
    for fault in "backwards early-reason twice no-datax1 malformedx1".split(' ') {
        ids.push(user.song(&format!("Odd sim:{fault} sim:takes=7s")).await);
    }
    watch_progress(&user, &ids).await;
    for id in &ids {
        let task = success(&user, id).await;
        assert_eq!(task["data"].as_array().map(Vec::len), Some(2), "{task}");
    }
    assert_eq!(cluster.quota("ann").await, (5 * SONG, 5 * SONG));
}

/// Watches the tasks until all have ended: none of them goes backwards in anybody's eyes.
async fn watch_progress(user: &Client, ids: &[String]) {
    let started = Instant::now();
    let mut last: Vec<(usize, u32)> = vec![(0, 0); ids.len()];
    loop {
        let tasks = user.tasks(ids).await;
        for (task, last) in tasks.iter().zip(&mut last) {
            let now = (rank(task), percent(task));
            assert!(
                now.0 >= last.0 && now.1 >= last.1,
                "from {last:?} to {task}"
            );
            assert_eq!(task["fail_reason"], "", "{task}");
            *last = now;
        }
        if tasks.iter().all(is_terminal) {
            return;
        }
        assert!(started.elapsed() < SOON, "{tasks:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fails_upstream(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let song = user.song("Broken String sim:fail").await;
    let lyrics = user.lyrics("a broken rhyme sim:fail").await;
    for id in [&song, &lyrics] {
        let reason = failure(&user, id).await;
        let listed = user.listed(id).await;
        assert_eq!(listed["fail_reason"], reason);
        assert_ne!(listed["finish_time"], 0, "{listed}");
    }
    assert_eq!(cluster.quota("ann").await, (10 * SONG, 0));
    let shown = cluster.operator().json(&["task", "show", &song]).await;
    let kinds = shown["ledger"].as_array().expect("a list").iter();
    let kinds: Vec<&Value> = kinds.map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["charge", "refund"], "{shown}");
}
