//! Submits whose answers are lost: nobody knows whether the upstream composes.

use super::{QUICK, SOON, prefer, seen};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use crate::site::Site;
use harness::proxy::gate::Pattern;

/// The words of a submit.
const SUBMIT: &str = "/suno/submit/music";

/// Accepted or not, and no answer.
pub const ANSWER_LOST: Scenario = Scenario {
    name: "upstream-answer-lost",
    about: "An upstream accepts a submit, or does not, and cuts the connection, never answers, or answers with \
            what is no answer; and the wire is reset with the request on its way, and with the answer. Each \
            such task fails, refunded, and is never sent again, although another channel is well.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(answer_lost(run)),
};

async fn answer_lost(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s");
    run.on_site(&setup, async |site| {
        prefer(site, "first").await;
        let ann = Asker::new(site, "ann").await;
        let mut lost = wires(site, &ann).await;
        let accepted = ["drop-after", "hang-after", "torn", "empty", "no-id"];
        let not_accepted = ["drop-before", "hang-before", "html"];
        for (faults, times) in [(&accepted[..], 1), (&not_accepted[..], 0)] {
            for fault in faults {
                let title = format!("Lost sim:{fault}");
                lost.push((ann.song(&title).await, title, (1, times)));
            }
        }
        for (id, title, expected) in &lost {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains("not known"), "{title}: {reason}");
            assert_eq!(seen(site, title).await, *expected, "{title}");
        }
        let well = ann.song("Well").await;
        ann.succeeds(&well, SOON).await;
        let sums = check(run, site, SOON, &ann.expected()).await;
        let expected = [
            ("FAILURE".to_owned(), lost.len()),
            ("SUCCESS".to_owned(), 1),
        ];
        assert_eq!(sums.tasks, expected.into());
        // Whatever came after: none of them was sent a second time.
        for (_, title, expected) in &lost {
            assert_eq!(seen(site, title).await, *expected, "{title}");
        }
    })
    .await;
}

/// A task, its title, and how often it may have been asked for and accepted.
type Lost = (String, String, (u64, u64));

/// The wire is reset under a request that never arrives, and under an answer. Both are held at once:
/// after the first reset the channel rests.
async fn wires(site: &Site, ann: &Asker) -> Vec<Lost> {
    let wire = &site.channels[0].wire;
    let mut request = wire.hold(&[Pattern::to_server(SUBMIT)]);
    let mut answer = wire.hold(&[
        Pattern::to_server(SUBMIT),
        Pattern::from_server("HTTP/1.1 200"),
    ]);
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
