//! A task whose deadline passes while somebody knows better. What comes long after the deadline is a
//! matter of upstreams: `upstream/late.rs`.

use std::time::Duration;

use harness::process::Signal;
use serde_json::json;

use super::evidence::{ann, ends, history, upstream};
use super::{setup, words};
use crate::run::{Run, Scenario};

/// A success that is known before the deadline, and written after it.
pub const RACES_A_SUCCESS: Scenario = Scenario {
    name: "deadline-races-a-success",
    about: "A worker stands still with a song's SUCCESS in its hands; the deadline passes, and another, \
            to whom the upstream no longer knows the song, fails and refunds it. The first one's SUCCESS \
            is refused.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(races_a_success(run)),
};

async fn races_a_success(run: &Run) {
    let setup = setup().workers(2).env("TASK_TIMEOUT", "20s");
    run.on_site(&setup, async |site| {
        let (ann, maker) = (ann(site).await, &site.channels[0].upstream);
        let [first, second] = &site.workers[..] else {
            panic!("there are two workers");
        };
        second.kill().await;
        let mut success = first.postgres.hold(&[words::end()]);
        let task = ann.song("Rain").await;
        success.reached().await;
        first.take().await.signal(Signal::Freeze).await;
        maker.set_faults(json!({"missing": 1})).await;
        second.serve().await;
        site.settled(LEASE).await;
        let failed = ann.task(&task).await;
        assert_eq!(failed["status"], "FAILURE", "{failed}");
        success.release();
        first.take().await.signal(Signal::Thaw).await;
        second.kill().await;
        maker.set_faults(json!({})).await;
        // The first is over it once it has done the next.
        let next = ann.song("Snow").await;
        let end = ann.end_of(&next, LEASE).await;
        assert_eq!(end["status"], "SUCCESS", "{end}");
        ends(run, site, Vec::new(), 1, 1).await;
        assert_eq!(ann.task(&task).await["status"], "FAILURE");
        assert_eq!(upstream(site, "Rain").await, (1, 1));
        let happened = history(site, &task).await;
        assert_eq!(happened.get("ended"), Some(&1), "{happened:?}");
        assert_eq!(happened.get("refunded"), Some(&1), "{happened:?}");
    })
    .await;
}

/// A poll's lease, the sweep's grace, its beat; on a busy machine.
const LEASE: Duration = Duration::from_mins(2);
