//! Statuses that nobody knows.

use harness::wait::eventually;
use std::time::Duration;
use tokio::time::Instant;

use super::{SOON, refunded};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};

/// Our own deadline.
const DEADLINE: Duration = Duration::from_secs(15);

/// `UNKNOWN`, a new one, none.
pub const UNKNOWN: Scenario = Scenario {
    name: "upstream-says-nothing-we-know",
    about: "An upstream whose clock is two hours ahead reports UNKNOWN, a status never seen before, or an \
            empty one. The tasks are pending until our own deadline by our own clock; those that it comes \
            to its senses about succeed.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(unknown(run)),
};

async fn unknown(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &["--song-time", "1s..2s", "--skew", "7200"])])
        .env("TASK_TIMEOUT", "15s");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let started = Instant::now();
        let mut for_ever = Vec::new();
        for fault in ["unknown", "weird-status", "empty-status"] {
            let title = format!("Odd sim:{fault}");
            for_ever.push((ann.song(&title).await, title));
            let title = format!("Odd at first sim:{fault}x1");
            let passing = ann.song(&title).await;
            ann.succeeds(&passing, SOON).await;
        }
        for (id, title) in &for_ever {
            let upstream = &site.channels[0].upstream;
            let asked = eventually(SOON, "a second poll", async || {
                let tasks = upstream.tasks(title).await;
                tasks.first()?["asked"].as_u64().filter(|asked| *asked > 1)
            })
            .await;
            let task = ann.client.task(id).await;
            let early = started.elapsed() < DEADLINE;
            assert!(
                task["status"] != "FAILURE" || !early,
                "asked {asked} times, it is {task}"
            );
        }
        assert!(
            refunded(site).await == 0 || started.elapsed() >= DEADLINE,
            "given back too early"
        );
        for (id, _) in &for_ever {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("deadline"), "{reason}");
            let task = ann.client.task(id).await;
            let time = |name: &str| task[name].as_u64().expect("a time is a number");
            let lived = time("finish_time") - time("submit_time");
            // Whole seconds, cut off.
            assert!(
                lived + 1 >= DEADLINE.as_secs(),
                "it failed after {lived} s: {task}"
            );
        }
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(
            sums.tasks,
            [("FAILURE".to_owned(), 3), ("SUCCESS".to_owned(), 3)].into()
        );
    })
    .await;
}
