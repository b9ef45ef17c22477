//! Ids that are left out, and whole batches that are 404 because of one.

use super::{SOON, seen};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};

/// How many healthy songs there are.
const HEALTHY: usize = 12;

/// Missing ones.
pub const FORGETS: Scenario = Scenario {
    name: "upstream-forgets-ids",
    about: "An upstream leaves some ids out of its answers, answers a batch with 404 once, and one id spoils \
            every batch that asks for it. The others succeed while the spoiler is still waited for; it \
            alone fails, at its deadline.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(forgets(run)),
};

async fn forgets(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &["--song-time", "2s..4s"])])
        .env("TASK_TIMEOUT", "40s");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let spoiler = ann.song("Spoils sim:batch-404").await;
        let mut tasks = Vec::new();
        for fault in ["missingx3", "missingx1", "fetch-404x1"] {
            tasks.push(ann.song(&format!("Away sim:{fault}")).await);
        }
        tasks.extend(ann.songs(&titles("Healthy", HEALTHY)).await);
        ann.all_succeed(&tasks, SOON).await;
        let waits = ann.client.task(&spoiler).await;
        assert_ne!(
            waits["status"], "FAILURE",
            "the others ended before the spoiler did: {waits}"
        );
        let reason = ann.fails(&spoiler, SOON).await;
        assert!(reason.contains("no longer knew"), "{reason}");
        assert_eq!(seen(site, "Spoils sim:batch-404").await, (1, 1));
        let sums = check(run, site, SOON, &ann.expected()).await;
        let expected = [
            ("FAILURE".to_owned(), 1),
            ("SUCCESS".to_owned(), tasks.len()),
        ];
        assert_eq!(sums.tasks, expected.into());
    })
    .await;
}
