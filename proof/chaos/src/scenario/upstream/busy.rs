//! The upstream answers 429.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{QUICK, with_ann};
use crate::clients::{PatientClient, patient, titles};
use crate::run::Run;
use crate::scenario::observe::{SOON, accepted, prefer, submits_of, switch};
use harness::cluster::Cluster;

/// The upstream's `Retry-After`.
const RETRY_AFTER: Duration = Duration::from_secs(4);

/// `upstream-busy`.
pub async fn busy(run: &Run) {
    let busy = [&QUICK[..], &["--retry-after", "4s"]].concat();
    let setup = patient()
        .upstreams(&[("busy", &busy), ("quiet", &QUICK)])
        .env("SUBMIT_ATTEMPTS", "1");
    with_ann(run, &setup, async |cluster, ann| {
        switch(cluster, "quiet", false).await;
        only_delays(cluster, ann).await;
        switch(cluster, "quiet", true).await;
        others_go_on(cluster, ann).await;
        (10, 0)
    })
    .await;
}

async fn only_delays(cluster: &Cluster, ann: &PatientClient) {
    let started = Instant::now();
    let delayed = ann.song("Rest sim:429-retry-afterx1").await;
    ann.succeeds(&delayed, SOON).await;
    let took = started.elapsed();
    assert!(took > RETRY_AFTER, "submitted again within {took:?}");
    let faults = [
        ("429x2", 3),
        ("fetch-429x2", 1),
        ("fetch-429-retry-afterx1", 1),
    ];
    let mut tasks = Vec::new();
    for (fault, submits) in faults {
        let title = format!("Later sim:{fault}");
        tasks.push((ann.song(&title).await, title, submits));
    }
    for (id, title, submits) in tasks {
        ann.succeeds(&id, SOON).await;
        assert_eq!(submits_of(cluster, &title).await, (submits, 1), "{title}");
    }
}

async fn others_go_on(cluster: &Cluster, ann: &PatientClient) {
    let busy = &cluster.channels[0].upstream;
    busy.set_faults(json!({"submit-429": 1})).await;
    prefer(cluster, "busy").await;
    let before = accepted(cluster, 0).await;
    let tasks = ann.songs(&titles("Elsewhere", 6)).await;
    ann.all_succeed(&tasks, SOON).await;
    assert_eq!(accepted(cluster, 0).await, before, "the busy one accepted");
    busy.set_faults(json!({})).await;
}
