//! The upstream refuses the request itself.

use harness::client::SONG;

use super::{QUICK, with_ann};
use crate::clients::patient;
use crate::run::Run;
use crate::scenario::observe::{SOON, refunded, submits_of};

/// `upstream-refuses-the-request`.
pub async fn refuses(run: &Run) {
    let setup = patient().upstreams(&[("first", &QUICK), ("second", &QUICK)]);
    with_ann(run, &setup, async |cluster, ann| {
        let refusals = [
            ("refuse", "moderation"),
            ("404", "no such model"),
            ("422", "too long"),
        ];
        let mut refund = 0;
        for (fault, said) in refusals {
            let title = format!("Forbidden sim:{fault}");
            let id = ann.song(&title).await;
            let reason = ann.fails(&id, SOON).await;
            assert!(reason.contains(said), "{title}: {reason}");
            assert_eq!(submits_of(cluster, &title).await, (1, 0), "{title}");
            refund += SONG;
            assert_eq!(refunded(cluster).await, refund, "{title}");
        }
        let well = ann.song("Allowed").await;
        ann.succeeds(&well, SOON).await;
        (1, refusals.len())
    })
    .await;
}
