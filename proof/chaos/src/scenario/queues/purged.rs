//! Queues that are purged while tasks wait in them.

use std::time::Duration;

use harness::wait::eventually;
use serde_json::json;

use crate::check::check;
use crate::metrics::Figures;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// How many tasks wait in the waiting queues, and how many in the queue of submits.
const EACH: usize = 40;

/// The sweep's grace and beat, and some.
const SWEPT: Duration = Duration::from_mins(2);

/// Everything that waits is thrown away.
pub const PURGED: Scenario = Scenario {
    name: "queues-purged",
    about: "Tasks wait in the waiting queues and in the queue of submits, and all queues are purged. The \
            sweep publishes every one of them again: all succeed, and none is sent twice.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(purged(run)),
};

async fn purged(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &["--song-time", "1h"])])
        .env("POLL_INITIAL_DELAY", "5s")
        .env("POLL_MAX_DELAY", "5s");
    run.on_site(&setup, async |site| {
        let ann = Asker::new(site, "ann").await;
        let mut tasks = ann.songs(&titles("Polled", EACH)).await;
        all_accepted(site, EACH).await;
        site.workers[0].stop(Duration::from_secs(30)).await;
        tasks.extend(ann.songs(&titles("Submitted", EACH)).await);
        eventually(Duration::from_secs(20), "submits to wait", async || {
            let waiting = site.rabbitmq.messages("submit", 2 * EACH).await.len();
            (waiting == EACH).then_some(())
        })
        .await;
        for queue in site.rabbitmq.queues().await {
            let name = queue["name"].as_str().unwrap_or_default();
            let name = name.trim_start_matches(site.prefix());
            site.rabbitmq.purge(name.trim_start_matches('.')).await;
        }
        site.workers[0].serve().await;
        all_accepted(site, 2 * EACH).await;
        site.channels[0].upstream.finish(json!({})).await;
        ann.all_succeed(&tasks, SWEPT).await;
        let figures = Figures::of(&site.workers[0]).await;
        let swept = figures.sum("task_center_swept_tasks_total", &[]);
        run.fact("swept_tasks", swept);
        assert!(
            swept >= 2 * EACH as u64,
            "{swept} tasks were swept; none of the others had a message left"
        );
        let sums = check(run, site, SWEPT, &ann.expected()).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), 2 * EACH)].into());
    })
    .await;
}

/// Waits until so many tasks wait for a poll.
async fn all_accepted(site: &Site, many: usize) {
    eventually(SWEPT, "polls to wait", async || {
        let mut database = site.connect().await;
        let waiting = "SELECT count(*) FROM unfinished_tasks WHERE stage = 'poll'";
        let waiting = sqlx::query_scalar(waiting).fetch_one(&mut database).await;
        let waiting: i64 = waiting.expect("the database counts");
        (usize::try_from(waiting) == Ok(many)).then_some(())
    })
    .await;
}
