//! Ids that are left out of answers, and batches that get a 404 because of one id.

use super::with_ann;
use crate::clients::{patient, titles};
use crate::run::Run;
use crate::scenario::observe::{SOON, submits_of};

/// `upstream-forgets-ids`.
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
