//! Our key is wrong, out of credit or banned, at all channels but one.

use super::{QUICK, with_ann};
use crate::clients::{patient, titles};
use crate::run::Run;
use crate::scenario::observe::{SOON, accepted, prefer};

/// The channels that refuse us, and their answer to a submit.
const LOCKED: [(&str, &str); 3] = [
    ("wrong-key", "submit-401=100%"),
    ("no-credit", "submit-402=100%"),
    ("banned", "submit-403=100%"),
];

/// `upstream-refuses-our-key`.
pub async fn our_key(run: &Run) {
    let locked = LOCKED.map(|(_, fault)| [&QUICK[..], &["--faults", fault]].concat());
    let setup = patient()
        .upstreams(&[
            (LOCKED[0].0, &locked[0]),
            (LOCKED[1].0, &locked[1]),
            (LOCKED[2].0, &locked[2]),
            ("open", &QUICK),
        ])
        .env("SUBMIT_ATTEMPTS", "1");
    with_ann(run, &setup, async |cluster, ann| {
        for (name, _) in LOCKED {
            prefer(cluster, name).await;
        }
        let mut tasks = ann.songs(&titles("Song", 12)).await;
        ann.all_succeed(&tasks, SOON).await;
        // Fetches are refused, too, for a while; the upstream still has the tasks.
        for fault in ["fetch-401x1", "fetch-403x1"] {
            tasks.push(ann.song(&format!("Later sim:{fault}")).await);
        }
        ann.all_succeed(&tasks, SOON).await;
        assert_eq!(accepted(cluster, 3).await, tasks.len() as u64);
        let log = cluster.workers[0].log();
        for (number, (name, _)) in LOCKED.into_iter().enumerate() {
            let counts = cluster.channels[number].upstream.counts().await;
            let submits = counts["submits"]["asked"].as_u64();
            assert!(submits > Some(0), "{name} was never tried: {counts}");
            assert_eq!(accepted(cluster, number).await, 0);
            let texts = ["ERROR", "this channel refuses us", name];
            let is_logged = |line: &str| texts.iter().all(|text| line.contains(text));
            assert!(log.lines().any(is_logged), "no log line about {name}");
        }
        (tasks.len(), 0)
    })
    .await;
}
