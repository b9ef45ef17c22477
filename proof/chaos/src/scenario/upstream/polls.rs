//! Answers to polls that are incomplete, wrong, contradictory or too late.

use harness::client::{is_terminal, percent, rank};

use super::with_ann;
use crate::scenario::prelude::*;

pub async fn forgets(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &["--song-time", "2s..4s"])])
        .env("TASK_TIMEOUT", "40s");
    with_ann(run, &setup, async |cluster, ann| {
        let spoiler = ann.song("Spoils sim:batch-404").await;
        let mut tasks = Vec::new();
        for fault in ["missingx3", "missingx1", "fetch-404x1"] {
            tasks.push(ann.song(&format!("Away sim:{fault}")).await);
        }
        tasks.extend(ann.songs(&titles("Healthy", 12)).await);
        ann.all_succeed(&tasks, SOON).await;
        let waits = ann.client.task(&spoiler).await;
        let waiting = "the others ended before the spoiler did";
        assert_ne!(waits["status"], "FAILURE", "{waiting}: {waits}");
        let reason = ann.fails(&spoiler, SOON).await;
        assert!(reason.contains("no longer knew"), "{reason}");
        assert_eq!(submits_of(cluster, "Spoils sim:batch-404").await, (1, 1));
        (tasks.len(), 1)
    })
    .await;
}

pub async fn strangers(run: &Run) {
    let setup = patient().upstreams(&[("first", &["--song-time", "3s..5s"])]);
    with_ann(run, &setup, async |cluster, ann| {
        let upstream = &cluster.channels[0].upstream;
        upstream.set_faults(json!({"fetch-strangers": 1})).await;
        let faults = ["twice", "malformedx1", "twice sim:malformedx1"];
        let odd = faults.map(|fault| format!("Odd sim:{fault}")).into_iter();
        let all: Vec<String> = odd.chain(titles("Plain", 8)).collect();
        let tasks = ann.songs(&all).await;
        for (id, title) in tasks.iter().zip(&all) {
            let task = ann.succeeds(id, SOON).await;
            let clips = task["data"].as_array().expect("a song is a list of clips");
            assert_eq!(clips.len(), 2, "{task}");
            for clip in clips {
                assert_eq!(clip["title"], **title, "another's song: {task}");
            }
        }
        let page = ann.client.page("/api/task/self").await;
        assert_eq!(page["total"], all.len(), "{page}");
        (all.len(), 0)
    })
    .await;
}

const DEADLINE: Duration = Duration::from_secs(15);

pub async fn unknown(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &["--song-time", "1s..2s", "--skew", "7200"])])
        .env("TASK_TIMEOUT", "15s");
    with_ann(run, &setup, async |cluster, ann| {
        let started = Instant::now();
        let mut unknown = Vec::new();
        for fault in ["unknown", "weird-status", "empty-status"] {
            let title = format!("Odd sim:{fault}");
            unknown.push((ann.song(&title).await, title));
            let passing = ann.song(&format!("Odd at first sim:{fault}x1")).await;
            ann.succeeds(&passing, SOON).await;
        }
        for (id, title) in &unknown {
            let upstream = &cluster.channels[0].upstream;
            let polls = eventually(SOON, "a second poll", async || {
                let tasks = upstream.tasks(title).await;
                tasks.first()?["asked"].as_u64().filter(|polls| *polls > 1)
            })
            .await;
            let task = ann.client.task(id).await;
            let early = started.elapsed() < DEADLINE;
            assert!(
                task["status"] != "FAILURE" || !early,
                "polled {polls} times, it is {task}"
            );
        }
        assert!(
            refunded(cluster).await == 0 || started.elapsed() >= DEADLINE,
            "refunded too early"
        );
        for (id, _) in &unknown {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("deadline"), "{reason}");
            let task = ann.client.task(id).await;
            let time = |name: &str| task[name].as_u64().expect("a time is a number");
            let lived = time("finish_time") - time("submit_time");
            // Both times are cut to whole seconds.
            let enough = lived + 1 >= DEADLINE.as_secs();
            assert!(enough, "it failed after {lived} s: {task}");
        }
        (3, 3)
    })
    .await;
}

pub async fn contradicts(run: &Run) {
    let setup = patient().upstreams(&[("first", &["--song-time", "12s"])]);
    with_ann(run, &setup, async |cluster, ann| {
        let (states, looks) = tokio::join!(goes_backwards(ann), warns_early(cluster, ann));
        run.fact("states_seen_of_one_that_goes_backwards", states);
        run.fact("looks_at_one_that_warns_early", looks);
        (2, 0)
    })
    .await;
}

/// Returns how many different states a client saw.
async fn goes_backwards(ann: &PatientClient) -> usize {
    let id = ann.song("Round and round sim:backwards").await;
    let mut seen = Vec::new();
    watch(ann, &id, async |task| {
        let now = (rank(task), percent(task));
        let last = seen.last().copied().unwrap_or_default();
        assert!(now >= last && now.1 >= last.1, "from {last:?} to {task}");
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    })
    .await;
    seen.len()
}

/// Returns how often a client read the task.
async fn warns_early(cluster: &Cluster, ann: &PatientClient) -> usize {
    let id = ann.song("Slow down sim:early-reason").await;
    let mut looks = 0;
    watch(ann, &id, async |task| {
        assert_eq!(task["fail_reason"], "", "{task}");
        assert_eq!(refunded(cluster).await, 0, "{task}");
        looks += 1;
    })
    .await;
    looks
}

/// Reads a task again and again until it ends, in SUCCESS.
async fn watch(ann: &PatientClient, id: &str, mut look: impl AsyncFnMut(&Value)) {
    let started = Instant::now();
    loop {
        let task = ann.client.task(id).await;
        look(&task).await;
        if is_terminal(&task) {
            assert_eq!(task["status"], "SUCCESS", "{task}");
            return;
        }
        assert!(started.elapsed() < SOON, "{task}");
        sleep(Duration::from_millis(100)).await;
    }
}

pub async fn late(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK)])
        .env("TASK_TIMEOUT", "10s");
    with_ann(run, &setup, async |cluster, ann| {
        let titles = ["Too late sim:takes=1h", "Too late and bad sim:takes=1h"];
        let (mut before, mut ids) = (Vec::new(), Vec::new());
        for title in titles {
            ids.push(ann.song(title).await);
        }
        for id in &ids {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("deadline"), "{reason}");
            before.push(ann.client.listed(id).await);
        }
        let upstream = &cluster.channels[0].upstream;
        upstream.finish(json!({"title": titles[0]})).await;
        let failed = json!({"title": titles[1], "fail": true});
        upstream.finish(failed).await;
        // The first look at a late task comes after a minute: make it due now.
        cluster.execute("UPDATE late_tasks SET due_at = 0").await;
        for (id, status) in ids.iter().zip(["SUCCESS", "FAILURE"]) {
            let late = late_event(cluster, id).await;
            assert!(late.starts_with(status), "{late}");
        }
        // Time for whatever might follow.
        sleep(Duration::from_secs(1)).await;
        for (id, before) in ids.iter().zip(&before) {
            assert_eq!(ann.client.listed(id).await, *before);
        }
        assert_eq!(refunded(cluster).await, 2 * SONG);
        for title in titles {
            assert_eq!(submits_of(cluster, title).await, (1, 1));
        }
        (0, 2)
    })
    .await;
}

/// The one event of a task's late result, once it is in the history.
async fn late_event(cluster: &Cluster, id: &str) -> String {
    eventually(SOON, "the late result in the history", async || {
        let shown = cluster.operator().json(&["task", "show", id]).await;
        let history = shown["history"].as_array().expect("a history is a list");
        let late = history.iter().filter(|event| event["kind"] == "late");
        let late: Vec<&Value> = late.collect();
        assert!(late.len() < 2, "{shown}");
        let detail = late.first()?["detail"].as_str();
        Some(detail.expect("a detail is a text").to_owned())
    })
    .await
}
