//! The upstream answers 5xx, at one channel and at all of them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{QUICK, with_ann};
use crate::clients::{patient, titles};
use crate::run::Run;
use crate::scenario::observe::{SOON, accepted, prefer};
use harness::cluster::Cluster;

/// The shortest outage of all upstreams: longer than the first retry.
pub const SHORTEST: Duration = Duration::from_secs(8);
/// The longest: a task's attempts take longer.
const LONGEST: Duration = Duration::from_mins(5);

/// `upstream-down`.
pub async fn down(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .env("TASK_TIMEOUT", "30m");
    let outage = run.duration.clamp(SHORTEST, LONGEST);
    // The last attempt comes five minutes after the one before.
    let within = SOON + LONGEST;
    with_ann(run, &setup, async |cluster, ann| {
        prefer(cluster, "first").await;
        set(cluster, 0, every_call_fails()).await;
        let tasks = ann.songs(&titles("Elsewhere", 6)).await;
        ann.all_succeed(&tasks, SOON).await;
        assert_eq!(
            accepted(cluster, 0).await,
            0,
            "the one that is down accepted"
        );
        assert_eq!(accepted(cluster, 1).await, 6);

        set(cluster, 0, json!({"submit-code": 1})).await;
        let code = ann.song("A server's error with a status of 200").await;
        ann.succeeds(&code, SOON).await;
        assert_eq!(accepted(cluster, 1).await, 7);

        let mut tasks = ann.songs(&titles("Accepted sim:takes=2s", 4)).await;
        set(cluster, 0, every_call_fails()).await;
        set(cluster, 1, every_call_fails()).await;
        tasks.extend(ann.songs(&titles("Meanwhile", 6)).await);
        sleep(outage).await;
        for task in ann.client.tasks(&tasks).await {
            assert_ne!(task["status"], "FAILURE", "{task}");
        }
        set(cluster, 0, json!({})).await;
        set(cluster, 1, json!({})).await;
        ann.all_succeed(&tasks, within).await;
        (17, 0)
    })
    .await;
}

/// The faults are tried in this order: the last of each kind takes the calls that are left.
fn every_call_fails() -> Value {
    json!({"submit-500": "30%", "submit-502": "50%", "submit-503": 1,
           "fetch-500": "30%", "fetch-502": "50%", "fetch-503": 1})
}

async fn set(cluster: &Cluster, channel: usize, faults: Value) {
    cluster.channels[channel].upstream.set_faults(faults).await;
}
