//! The answer to a submit is lost: nobody knows whether the upstream makes the song.

use super::QUICK;
use crate::check::check;
use crate::clients::{PatientClient, patient};
use crate::run::Run;
use crate::scenario::observe::{SOON, prefer, submits_of};
use crate::wire_patterns::{OK, SUBMIT};
use harness::cluster::Cluster;

/// `upstream-answer-lost`.
pub async fn answer_lost(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s");
    run.on_cluster(&setup, async |cluster| {
        prefer(cluster, "first").await;
        let ann = PatientClient::new(cluster, "ann").await;
        let mut lost = resets(cluster, &ann).await;
        let accepted = ["drop-after", "hang-after", "torn", "empty", "no-id"];
        let not_accepted = ["drop-before", "hang-before", "html"];
        for (faults, times) in [(&accepted[..], 1), (&not_accepted[..], 0)] {
            for fault in faults {
                let title = format!("Lost sim:{fault}");
                lost.push((ann.song(&title).await, title, (1, times)));
            }
        }
        for (id, title, submits) in &lost {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("not known"), "{title}: {reason}");
            assert_eq!(submits_of(cluster, title).await, *submits, "{title}");
        }
        let well = ann.song("Well").await;
        ann.succeeds(&well, SOON).await;
        let sums = check(run, cluster, SOON, &ann.expected()).await;
        sums.assert_ended(1, lost.len());
        for (_, title, submits) in &lost {
            assert_eq!(submits_of(cluster, title).await, *submits, "{title}");
        }
    })
    .await;
}

/// Resets one connection before the request arrives, and one before the answer arrives. Both are held
/// first, because the channel cools down after the first reset. Returns each task's id, its title, and
/// how many submits the upstream got and accepted.
async fn resets(cluster: &Cluster, ann: &PatientClient) -> Vec<(String, String, (u64, u64))> {
    let wire = cluster.channels[0].proxy();
    let mut request = wire.hold(&[SUBMIT]);
    let mut answer = wire.hold(&[SUBMIT, OK]);
    let first = ann.song("Reset on its way").await;
    request.reached().await;
    let second = ann.song("Reset on the way back").await;
    answer.reached().await;
    request.reset();
    answer.reset();
    vec![
        (first, "Reset on its way".to_owned(), (0, 0)),
        (second, "Reset on the way back".to_owned(), (1, 1)),
    ]
}
