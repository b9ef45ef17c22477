//! Queues are purged while tasks wait in them.

use crate::scenario::prelude::*;

/// How many tasks wait for a poll, and how many for a submit.
const EACH: usize = 40;

/// The sweep's grace and interval, on a busy machine.
const SWEPT: Duration = Duration::from_mins(2);

pub async fn purged(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &["--song-time", "1h"])])
        .env("POLL_INITIAL_DELAY", "5s")
        .env("POLL_MAX_DELAY", "5s");
    run.on_cluster(&setup, async |cluster| {
        let (ann, worker) = (
            PatientClient::new(cluster, "ann").await,
            &cluster.workers[0],
        );
        let mut tasks = ann.songs(&titles("Polled", EACH)).await;
        wait_for_polls(cluster, EACH).await;
        worker.stop(Duration::from_secs(30)).await;
        tasks.extend(ann.songs(&titles("Submitted", EACH)).await);
        eventually(Duration::from_secs(20), "submits to wait", async || {
            let waiting = cluster.rabbitmq().messages("submit", 2 * EACH).await.len();
            (waiting == EACH).then_some(())
        })
        .await;
        for queue in cluster.rabbitmq().queues().await {
            let name = queue["name"].as_str().unwrap_or_default();
            let name = name.trim_start_matches(cluster.prefix());
            cluster.rabbitmq().purge(name.trim_start_matches('.')).await;
        }
        worker.serve().await;
        wait_for_polls(cluster, 2 * EACH).await;
        cluster.channels[0].upstream.finish(json!({})).await;
        ann.all_succeed(&tasks, SWEPT).await;
        let metrics = Metrics::read([worker]).await;
        let swept = metrics.sum("task_center_swept_tasks_total", &[]);
        run.fact("swept_tasks", swept);
        assert!(
            swept >= EACH as u64,
            "{swept} tasks were swept, and none of the others that are polled had a message"
        );
        let sums = check(run, cluster, SWEPT, &ann.expected()).await;
        sums.assert_ended(2 * EACH, 0);
    })
    .await;
}

/// Waits until so many tasks are accepted and wait for a poll.
async fn wait_for_polls(cluster: &Cluster, tasks: usize) {
    eventually(SWEPT, "polls to wait", async || {
        let waiting = "SELECT count(*) FROM unfinished_tasks WHERE stage = 'poll'";
        let waiting = number(cluster, waiting).await;
        (usize::try_from(waiting) == Ok(tasks)).then_some(())
    })
    .await;
}
