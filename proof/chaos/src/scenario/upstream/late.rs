//! A song that is made after our deadline.

use std::time::Duration;

use harness::client::SONG;
use harness::wait::eventually;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{QUICK, with_ann};
use crate::clients::patient;
use crate::run::Run;
use crate::scenario::observe::{SOON, refunded, submits_of};
use harness::cluster::Cluster;

/// `upstream-finishes-late`.
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
