//! 5xx, for a moment and for longer, at one channel and at all.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{QUICK, SOON, accepted, prefer};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// How long all upstreams are down, at least: longer than the first retry.
const SHORTEST: Duration = Duration::from_secs(8);

/// And at most: what the attempts of a task outlast.
const LONGEST: Duration = Duration::from_mins(5);

/// Out of order.
pub const DOWN: Scenario = Scenario {
    name: "upstream-down",
    about: "An upstream answers every call with 500, 502 or 503: its tasks go elsewhere. Then all of them do, \
            until the second attempts have failed, too: no task fails, and all succeed once they are well.",
    harsh: false,
    lasts: Some(SHORTEST),
    body: |run| Box::pin(down(run)),
};

async fn down(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .env("TASK_TIMEOUT", "30m");
    let outage = run.duration.clamp(SHORTEST, LONGEST);
    // The last attempt comes five minutes after the one before.
    let within = SOON + LONGEST;
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        prefer(site, "first").await;
        set(site, 0, broken()).await;
        let tasks = ann.songs(&titles("Elsewhere", 6)).await;
        ann.all_succeed(&tasks, SOON).await;
        assert_eq!(
            accepted(site, 0).await,
            0,
            "the one that is down takes none"
        );
        assert_eq!(accepted(site, 1).await, 6);

        set(site, 0, json!({"submit-code": 1})).await;
        let code = ann.song("A server's error with a status of 200").await;
        ann.succeeds(&code, SOON).await;
        assert_eq!(accepted(site, 1).await, 7);

        let mut tasks = ann.songs(&titles("Accepted sim:takes=2s", 4)).await;
        set(site, 0, broken()).await;
        set(site, 1, broken()).await;
        tasks.extend(ann.songs(&titles("Meanwhile", 6)).await);
        sleep(outage).await;
        for task in ann.client.tasks(&tasks).await {
            assert_ne!(task["status"], "FAILURE", "{task}");
        }
        set(site, 0, json!({})).await;
        set(site, 1, json!({})).await;
        ann.all_succeed(&tasks, within).await;
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), 17)].into());
    })
    .await;
}

/// Every call fails in one of the ways of servers: what the first two leave falls to the third.
fn broken() -> Value {
    json!({"submit-500": "30%", "submit-502": "50%", "submit-503": 1,
           "fetch-500": "30%", "fetch-502": "50%", "fetch-503": 1})
}

async fn set(site: &Site, channel: usize, faults: Value) {
    site.channels[channel].upstream.set_faults(faults).await;
}
