//! Our key is wrong, out of credit or banned, at all channels but one.

use super::{QUICK, SOON, accepted, prefer};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};

/// How many songs are asked for.
const SONGS: usize = 12;

/// Those that do not want us.
const LOCKED: [&str; 3] = ["wrong-key", "no-credit", "banned"];

/// 401, 402, 403.
pub const OUR_KEY: Scenario = Scenario {
    name: "upstream-refuses-our-key",
    about: "Of four channels one answers 401, one 402 and one 403 to everything, and the fourth is well. \
            Where one attempt is all that a task has, all succeed at the fourth, and an operator is told \
            of the others.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(our_key(run)),
};

async fn our_key(run: &Run) {
    let locked = |fault| [&QUICK[..], &["--faults", fault]].concat();
    let setup = patient()
        .upstreams(&[
            (LOCKED[0], &locked("submit-401=100%")),
            (LOCKED[1], &locked("submit-402=100%")),
            (LOCKED[2], &locked("submit-403=100%")),
            ("open", &QUICK),
        ])
        .env("SUBMIT_ATTEMPTS", "1");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        for name in LOCKED {
            prefer(site, name).await;
        }
        let mut tasks = ann.songs(&titles("Song", SONGS)).await;
        ann.all_succeed(&tasks, SOON).await;
        // Our key to fetch with is refused for a while, too: the tasks are there all the same.
        for fault in ["fetch-401x1", "fetch-403x1"] {
            tasks.push(ann.song(&format!("Later sim:{fault}")).await);
        }
        ann.all_succeed(&tasks, SOON).await;
        assert_eq!(accepted(site, 3).await, tasks.len() as u64);
        let log = site.workers[0].log();
        for (number, name) in LOCKED.into_iter().enumerate() {
            let counts = site.channels[number].upstream.counts().await;
            assert!(
                counts["submits"]["asked"].as_u64() > Some(0),
                "{name} was never tried: {counts}"
            );
            assert_eq!(accepted(site, number).await, 0);
            let told = log.lines().any(|line| {
                ["ERROR", "this channel refuses us", name]
                    .iter()
                    .all(|word| line.contains(word))
            });
            assert!(told, "no operator was told of {name}");
        }
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), tasks.len())].into());
    })
    .await;
}
