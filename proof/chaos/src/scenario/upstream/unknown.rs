//! Statuses that we do not know.

use std::time::Duration;

use harness::wait::eventually;
use tokio::time::Instant;

use super::with_ann;
use crate::clients::patient;
use crate::run::Run;
use crate::scenario::observe::{SOON, refunded};

/// Our own deadline.
const DEADLINE: Duration = Duration::from_secs(15);

/// `upstream-says-nothing-we-know`.
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
