//! The broker is killed while the ladder is full.

use std::time::Duration;

use harness::wait::eventually;
use serde_json::json;
use tokio::time::sleep;

use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// How many tasks wait for each second that it lasts: 400 in a short run, 6,000 in five minutes.
const A_SECOND: usize = 20;

/// The rest that the upstream asks for, and what it asks for once the broker is up again.
const REST: &str = "20s";

/// SIGKILL with a message waiting for every task.
pub const KILLED: Scenario = Scenario {
    name: "broker-killed-with-a-full-ladder",
    about: "The upstream asks everybody to wait, so that a message a task stands in the waiting queues. The \
            broker is killed, and started again some seconds later. Every task succeeds.",
    harsh: true,
    lasts: Some(Duration::from_secs(20)),
    body: |run| Box::pin(killed(run)),
};

async fn killed(run: &Run) {
    let upstream = ["--song-time", "500ms..1500ms", "--retry-after", REST];
    let setup = patient()
        .upstreams(&[("busy", &upstream)])
        .env("TASK_TIMEOUT", "30m");
    run.on_site(&setup, async |site| {
        let seconds = usize::try_from(run.duration.as_secs()).expect("no run lasts that long");
        let many = A_SECOND * seconds.max(1);
        let upstream = &site.channels[0].upstream;
        upstream
            .set_faults(json!({"submit-429-retry-after": 1}))
            .await;
        let ann = Asker::new(site, "ann").await;
        ann.songs(&titles("Song", many)).await;
        let waited = wait_in_the_ladder(site, many * 9 / 10).await;
        run.fact("messages_in_the_ladder", waited);
        site.servers.rabbitmq.lock().await.kill().await;
        upstream.set_faults(json!({})).await;
        sleep(Duration::from_secs(3)).await;
        site.servers.mend().await;
        // What expired while it was down can be three minutes late; the sweep bridges that.
        let within = Duration::from_mins(3) + run.duration * 2;
        let sums = check(run, site, within, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), many)].into());
    })
    .await;
}

/// Waits until so many messages stand in the waiting queues; says how many do.
async fn wait_in_the_ladder(site: &Site, at_least: usize) -> u64 {
    eventually(Duration::from_mins(2), "the ladder to fill", async || {
        let queues = site.rabbitmq.queues().await;
        let waiting = queues.iter().filter(|queue| {
            let name = queue["name"].as_str().unwrap_or_default();
            name.contains(".delay.")
        });
        let counts = waiting.filter_map(|queue| queue["messages"].as_u64());
        let sum: u64 = counts.sum();
        (sum >= at_least as u64).then_some(sum)
    })
    .await
}
