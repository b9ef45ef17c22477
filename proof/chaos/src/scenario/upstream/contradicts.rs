//! States that go backwards, and reasons for failures that are none.

use std::time::Duration;

use harness::client::is_terminal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{SOON, refunded};
use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient};
use crate::site::Site;

/// Now so, now otherwise.
pub const CONTRADICTS: Scenario = Scenario {
    name: "upstream-contradicts-itself",
    about: "An upstream reports states that go backwards, and a fail_reason beside a status that is no \
            failure. No client ever sees a task go backwards or a reason, and nothing is refunded.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(contradicts(run)),
};

async fn contradicts(run: &Run) {
    let setup = patient().upstreams(&[("first", &["--song-time", "12s"])]);
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let (backwards, early) = tokio::join!(goes_backwards(&ann), warns_early(site, &ann));
        run.fact("states_seen_of_one_that_goes_backwards", backwards);
        run.fact("looks_at_one_that_warns_early", early);
        let sums = check(run, site, SOON, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), 2)].into());
    })
    .await;
}

/// Says how many different states a client saw.
async fn goes_backwards(ann: &Asker) -> usize {
    let id = ann.song("Round and round sim:backwards").await;
    let mut seen = Vec::new();
    watch(ann, &id, async |task| {
        let now = (rank(task), percent(task));
        let last = seen.last().copied().unwrap_or_default();
        assert!(now >= last && now.1 >= last.1, "from {last:?} to {task}");
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    })
    .await;
    seen.len()
}

/// Says how often it was looked at while it ran.
async fn warns_early(site: &Site, ann: &Asker) -> usize {
    let id = ann.song("Slow down sim:early-reason").await;
    let mut looks = 0;
    watch(ann, &id, async |task| {
        assert_eq!(task["fail_reason"], "", "{task}");
        assert_eq!(refunded(site).await, 0, "{task}");
        looks += 1;
    })
    .await;
    looks
}

/// Looks at a task until it ends, which it must do well.
async fn watch(ann: &Asker, id: &str, mut look: impl AsyncFnMut(&Value)) {
    let started = Instant::now();
    loop {
        let task = ann.client.task(id).await;
        look(&task).await;
        if is_terminal(&task) {
            assert_eq!(task["status"], "SUCCESS", "{task}");
            return;
        }
        assert!(started.elapsed() < SOON, "{task}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn rank(task: &Value) -> usize {
    let order = [
        "NOT_START",
        "SUBMITTED",
        "UNKNOWN",
        "QUEUED",
        "IN_PROGRESS",
        "SUCCESS",
    ];
    let rank = order.iter().position(|&status| task["status"] == status);
    rank.unwrap_or_else(|| panic!("{task}"))
}

fn percent(task: &Value) -> u32 {
    let text = task["progress"].as_str().unwrap_or_default();
    let digits = text.strip_suffix('%').unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("{task}"))
}
