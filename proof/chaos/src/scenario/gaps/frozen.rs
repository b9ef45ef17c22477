//! A worker that stands still for longer than its lease, and is let go when others have taken it for
//! dead and gone on without it.

use std::time::Duration;

use harness::process::Signal;

use super::evidence::{TOO_LATE, ann, ends, history, logs, upstream};
use super::setup;
use super::words;
use crate::run::{Run, Scenario};
use crate::site::{Setup, Site};
use harness::proxy::Proxy;
use harness::proxy::gate::Pattern;

/// It knows that the upstream accepted.
pub const WITH_AN_ACCEPTANCE: Scenario = Scenario {
    name: "worker-frozen-with-an-acceptance",
    about: "A worker stands still with \"accepted\" in its hands until another has ended its task, \
            refunded. Let go, it is refused: the task stays a failure, given back once, sent once.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(with_an_acceptance(run)),
};

async fn with_an_acceptance(run: &Run) {
    run.on_site(&two_workers(), async |site| {
        let ann = ann(site).await;
        let frozen = &site.workers[0];
        // The database ends a transaction that nobody goes on with: it is begun anew.
        let words = [words::accept()];
        let wire = &frozen.postgres;
        let task = freeze(site, wire, &words, async || ann.song("Rain").await, LEASE).await;
        logs(frozen, &[TOO_LATE]).await;
        ends(run, site, Vec::new(), 0, 1).await;
        assert_eq!(upstream(site, "Rain").await, (1, 1));
        let happened = history(site, &task).await;
        assert_eq!(happened.get("accepted"), None, "{happened:?}");
        assert_eq!(happened.get("refunded"), Some(&1), "{happened:?}");
    })
    .await;
}

/// It did not hear yet that the upstream accepted.
pub const BEFORE_THE_ANSWER: Scenario = Scenario {
    name: "worker-frozen-before-the-answer",
    about: "A worker stands still while the upstream's answer waits for it, until another has ended its \
            task, refunded. Let go, it finds that it is too late and would end the task too: it is \
            refused, and the refund stays one.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(before_the_answer(run)),
};

async fn before_the_answer(run: &Run) {
    run.on_site(&two_workers(), async |site| {
        let ann = ann(site).await;
        let frozen = &site.workers[0];
        let words = [words::submit(), words::answered()];
        let wire = &site.channels[0].wire;
        let task = freeze(site, wire, &words, async || ann.song("Rain").await, LEASE).await;
        // Its own patience is over as well; which of the two it sees first is the kernel's affair.
        logs(frozen, &["this channel rests", TOO_LATE]).await;
        ends(run, site, Vec::new(), 0, 1).await;
        assert_eq!(upstream(site, "Rain").await, (1, 1));
        let happened = history(site, &task).await;
        assert_eq!(happened.get("ended"), Some(&1), "{happened:?}");
        assert_eq!(happened.get("refunded"), Some(&1), "{happened:?}");
    })
    .await;
}

/// It knows that a song is done.
pub const WITH_A_SUCCESS: Scenario = Scenario {
    name: "worker-frozen-with-a-success",
    about: "A worker stands still with a song's SUCCESS in its hands until another has polled the song \
            and ended it. Let go, it writes nothing: the task ended once.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(with_a_success(run)),
};

async fn with_a_success(run: &Run) {
    run.on_site(&two_workers(), async |site| {
        let ann = ann(site).await;
        let frozen = &site.workers[0];
        let words = [words::end()];
        let wire = &frozen.postgres;
        let task = freeze(site, wire, &words, async || ann.song("Rain").await, LEASE).await;
        ends(run, site, Vec::new(), 1, 0).await;
        assert_eq!(upstream(site, "Rain").await, (1, 1));
        // It goes on: what it held is behind it once it has ended the next song.
        site.workers[1].kill().await;
        let next = ann.song("Snow").await;
        let end = ann.end_of(&next, LEASE).await;
        assert_eq!(end["status"], "SUCCESS", "{end}");
        ends(run, site, Vec::new(), 2, 0).await;
        let happened = history(site, &task).await;
        assert_eq!(happened.get("ended"), Some(&1), "{happened:?}");
        let log = frozen.log();
        let ended = |task: &str| {
            let mut lines = log.lines();
            lines.any(|line| line.contains("the task ended") && line.contains(task))
        };
        assert!(ended(&next) && !ended(&task), "{log}");
    })
    .await;
}

fn two_workers() -> Setup {
    setup().workers(2)
}

/// The longest lease, the sweep's grace, its beat, and what a busy machine takes for it all.
const LEASE: Duration = Duration::from_mins(2);

/// Freezes the first worker at these words on a wire of its own, has the second end the task, and
/// lets the first go on. `what` asks for the song.
async fn freeze(
    site: &Site,
    wire: &Proxy,
    words: &[Pattern],
    what: impl AsyncFnOnce() -> String,
    within: Duration,
) -> String {
    let [frozen, other] = &site.workers[..] else {
        panic!("there are two workers");
    };
    other.kill().await;
    let mut held = wire.hold(words);
    let task = what().await;
    held.reached().await;
    frozen.take().await.signal(Signal::Freeze).await;
    other.serve().await;
    site.settled(within).await;
    // Whatever was held waits for it now.
    held.release();
    frozen.take().await.signal(Signal::Thaw).await;
    task
}
