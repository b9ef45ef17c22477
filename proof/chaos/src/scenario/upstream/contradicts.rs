//! States that go backwards, and failure reasons without a failure.

use std::time::Duration;

use harness::client::{is_terminal, percent, rank};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::with_ann;
use crate::clients::{PatientClient, patient};
use crate::run::Run;
use crate::scenario::observe::{SOON, refunded};
use harness::cluster::Cluster;

/// `upstream-contradicts-itself`.
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
