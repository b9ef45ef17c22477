//! Answers of 64 MB, and answers of a byte a second.

use harness::proc::Usage;

use super::with_ann;
use crate::scenario::prelude::*;

/// How many songs of each kind there are.
const EACH: usize = 4;

/// How much a worker may grow, in MiB: the most that it reads of the answers at one time (eight
/// fetches of 16 MiB, a few submits of 1 MiB), and some reserve. All answers together are eight times
/// as much.
const GROWTH: f64 = 200.0;

pub async fn floods(run: &Run) {
    let wild = [&QUICK[..], &["--huge", "64", "--drip", "1s"]].concat();
    let setup = patient()
        .upstreams(&[("wild", &wild)])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s")
        .env("TASK_TIMEOUT", "45s");
    with_ann(run, &setup, async |cluster, ann| {
        let worker = &cluster.workers[0];
        let before = resident_mib(worker).await;
        let mut most = before;
        let lost = tokio::select! {
            lost = all_kinds(ann) => lost,
            () = async {
                loop {
                    most = most.max(resident_mib(worker).await);
                    sleep(Duration::from_millis(20)).await;
                }
            } => unreachable!("the loop has no end"),
        };
        run.fact("worker_mib", json!({"before": before, "most": most}));
        assert!(
            most < before + GROWTH,
            "the worker grew from {before} to {most} MiB"
        );
        for title in &lost {
            assert_eq!(submits_of(cluster, title).await.0, 1, "{title}");
        }
        let failures = lost.len() + 1;
        (ann.submits().len() - failures, failures)
    })
    .await;
}

/// Makes songs of all kinds, and waits for their ends. Returns the titles whose submits fail. One
/// more song fails, because no fetch of it gets an answer that can be read.
async fn all_kinds(ann: &PatientClient) -> Vec<String> {
    let started = Instant::now();
    let (mut lost, mut delayed) = (Vec::new(), Vec::new());
    for kind in ["huge", "drip"] {
        lost.extend(titles(&format!("Lost sim:submit-{kind}"), EACH));
        delayed.extend(titles(&format!("Later sim:fetch-{kind}x1"), EACH));
    }
    // Its result is too large every time, and must not hold up the others of its batch.
    let never = ann.song("Never sim:fetch-huge").await;
    let delayed = ann.songs(&delayed).await;
    let failing = ann.songs(&lost).await;
    let plain = ann.songs(&titles("Plain", EACH)).await;
    for id in &failing {
        let reason = ann.fails(id, SOON).await;
        assert!(reason.contains("not known"), "{reason}");
    }
    ann.all_succeed(&[plain, delayed].concat(), SOON).await;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let reason = ann.fails(&never, SOON).await;
    assert!(reason.contains("larger than 1 MiB"), "{reason}");
    lost
}

async fn resident_mib(node: &Node) -> f64 {
    Usage::of(node.pid().await.expect("it runs")).resident_mib
}
