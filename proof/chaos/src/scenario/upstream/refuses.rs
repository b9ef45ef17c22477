//! The request itself is refused.

use super::{QUICK, SOON, refunded, seen};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use harness::client::SONG;

/// 400, 404, 422.
pub const REFUSES: Scenario = Scenario {
    name: "upstream-refuses-the-request",
    about: "An upstream answers submits with 400, 404 or 422. Each task \
            fails at once with the upstream's words, is refunded, and is not tried again, not even elsewhere.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(refuses(run)),
};

async fn refuses(run: &Run) {
    let setup = patient().upstreams(&[("first", &QUICK), ("second", &QUICK)]);
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let words = [
            ("refuse", "moderation"),
            ("404", "no such model"),
            ("422", "too long"),
        ];
        for (number, (fault, said)) in words.into_iter().enumerate() {
            let title = format!("Forbidden sim:{fault}");
            let id = ann.song(&title).await;
            let reason = ann.fails(&id, SOON).await;
            assert!(reason.contains(said), "{title}: {reason}");
            assert_eq!(seen(site, &title).await, (1, 0), "{title}");
            let given_back = SONG * i64::try_from(number + 1).expect("there are three");
            assert_eq!(refunded(site).await, given_back, "{title}");
        }
        let well = ann.song("Allowed").await;
        ann.succeeds(&well, SOON).await;
        let sums = check(run, site, SOON, &ann.expected()).await;
        let expected = [
            ("FAILURE".to_owned(), words.len()),
            ("SUCCESS".to_owned(), 1),
        ];
        assert_eq!(sums.tasks, expected.into());
    })
    .await;
}
