//! 429, with and without `Retry-After`, to submits and to fetches.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{QUICK, SOON, accepted, prefer, seen, switch};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// What the upstream asks for with `Retry-After`.
const REST: Duration = Duration::from_secs(4);

/// "Not now."
pub const BUSY: Scenario = Scenario {
    name: "upstream-busy",
    about: "An upstream answers 429, with Retry-After and without, to submits and fetches. Where one attempt \
            is all that a task has, no task fails; a rest that is asked for is kept; another channel goes on.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(busy(run)),
};

async fn busy(run: &Run) {
    let busy = [&QUICK[..], &["--retry-after", "4s"]].concat();
    let setup = patient()
        .upstreams(&[("crowded", &busy), ("quiet", &QUICK)])
        .env("SUBMIT_ATTEMPTS", "1");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        switch(site, "quiet", false).await;
        only_delays(site, &ann).await;
        switch(site, "quiet", true).await;
        others_go_on(site, &ann).await;
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), 10)].into());
    })
    .await;
}

async fn only_delays(site: &Site, ann: &Asker) {
    let started = Instant::now();
    let asked = ann.song("Rest sim:429-retry-afterx1").await;
    ann.succeeds(&asked, SOON).await;
    let rested = started.elapsed();
    assert!(
        rested > REST,
        "it asked to be left alone for {REST:?}, and was asked after {rested:?}"
    );
    let mut tasks = Vec::new();
    let words = [
        ("429x2", 3),
        ("fetch-429x2", 1),
        ("fetch-429-retry-afterx1", 1),
    ];
    for (word, times) in words {
        let title = format!("Later sim:{word}");
        tasks.push((ann.song(&title).await, title, times));
    }
    for (id, title, times) in tasks {
        ann.succeeds(&id, SOON).await;
        assert_eq!(seen(site, &title).await, (times, 1), "{title}");
    }
}

async fn others_go_on(site: &Site, ann: &Asker) {
    let crowded = &site.channels[0].upstream;
    crowded.set_faults(json!({"submit-429": 1})).await;
    prefer(site, "crowded").await;
    let before = accepted(site, 0).await;
    let tasks = ann.songs(&titles("Elsewhere", 6)).await;
    ann.all_succeed(&tasks, SOON).await;
    assert_eq!(
        accepted(site, 0).await,
        before,
        "the one that is crowded takes none"
    );
    crowded.set_faults(json!({})).await;
}
