//! A worker is frozen until its lease is over and another worker has ended its task, and then goes on.

use super::{LEASE, ends, setup};
use crate::check::settled;
use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "worker-frozen-with-an-acceptance",
            "A worker is frozen before it can record \"accepted\", until another has ended its task, \
             refunded. Its \"accepted\" is then refused: the task stays a failure, refunded once, sent \
             once.",
            with_an_acceptance,
        ),
        Scenario::new(
            "worker-frozen-before-the-answer",
            "A worker is frozen before the upstream's answer arrives, until another has ended its \
             task, refunded. Then it is too late, and its attempt to end the task is refused: the task \
             is refunded once.",
            before_the_answer,
        ),
        Scenario::new(
            "worker-frozen-with-a-success",
            "A worker is frozen before it can record a song's SUCCESS, until another has polled the \
             song and ended it. Then it writes nothing: the task ends once.",
            with_a_success,
        ),
        Scenario::new(
            "deadline-races-a-success",
            "A worker is frozen before it can record a song's SUCCESS. The deadline passes, and \
             another worker, which the upstream tells that it does not know the song, fails and \
             refunds the task. The SUCCESS is then refused.",
            races_the_deadline,
        ),
    ]
}

async fn with_an_acceptance(run: &Run) {
    run.on_cluster(&two_workers(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let worker = &cluster.workers[0];
        // The database rolls the frozen transaction back, so the worker sends the statement anew.
        let (task, held) = freeze(cluster, &ann, worker.postgres(), &[ACCEPT], json!({})).await;
        thaw(cluster, held).await;
        logs(worker, &[TOO_LATE]).await;
        ends(run, cluster, &ann, 0, 1).await;
        assert_eq!(submits_of(cluster, "Rain").await, (1, 1));
        assert_history(cluster, &task, &[("accepted", 0), ("refunded", 1)]).await;
    })
    .await;
}

async fn before_the_answer(run: &Run) {
    run.on_cluster(&two_workers(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let wire = cluster.channels[0].proxy();
        let (task, held) = freeze(cluster, &ann, wire, &[SUBMIT, OK], json!({})).await;
        thaw(cluster, held).await;
        // The worker's own timeout has passed, too; either may come first.
        logs(&cluster.workers[0], &["no answer says whether", TOO_LATE]).await;
        ends(run, cluster, &ann, 0, 1).await;
        assert_eq!(submits_of(cluster, "Rain").await, (1, 1));
        assert_history(cluster, &task, &[("ended", 1), ("refunded", 1)]).await;
    })
    .await;
}

async fn with_a_success(run: &Run) {
    run.on_cluster(&two_workers(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let worker = &cluster.workers[0];
        let (task, held) = freeze(cluster, &ann, worker.postgres(), &[END], json!({})).await;
        thaw(cluster, held).await;
        ends(run, cluster, &ann, 1, 0).await;
        assert_eq!(submits_of(cluster, "Rain").await, (1, 1));
        cluster.workers[1].kill().await;
        let next = next_song_succeeds(&ann).await;
        ends(run, cluster, &ann, 2, 0).await;
        assert_history(cluster, &task, &[("ended", 1)]).await;
        let log = worker.log();
        let ended = |task: &str| {
            let mut lines = log.lines();
            lines.any(|line| line.contains("the task ended") && line.contains(task))
        };
        assert!(ended(&next) && !ended(&task), "{log}");
    })
    .await;
}

async fn races_the_deadline(run: &Run) {
    let setup = two_workers().env("TASK_TIMEOUT", "20s");
    run.on_cluster(&setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let wire = cluster.workers[0].postgres();
        let missing = json!({"missing": 1});
        let (task, held) = freeze(cluster, &ann, wire, &[END], missing).await;
        let failed = ann.client.task(&task).await;
        assert_eq!(failed["status"], "FAILURE", "{failed}");
        thaw(cluster, held).await;
        cluster.workers[1].kill().await;
        cluster.channels[0].upstream.set_faults(json!({})).await;
        next_song_succeeds(&ann).await;
        ends(run, cluster, &ann, 1, 1).await;
        assert_eq!(ann.client.task(&task).await["status"], "FAILURE");
        assert_eq!(submits_of(cluster, "Rain").await, (1, 1));
        assert_history(cluster, &task, &[("ended", 1), ("refunded", 1)]).await;
    })
    .await;
}

fn two_workers() -> Setup {
    setup().workers(2)
}

/// Freezes the first worker at these patterns of its work on a song, then lets the second worker end
/// the task, with these faults of the upstream. Returns the task's id, and the connection that is held.
async fn freeze(
    cluster: &Cluster,
    ann: &PatientClient,
    wire: &Proxy,
    patterns: &[Pattern],
    faults: Value,
) -> (String, Gate) {
    let [frozen, other] = &cluster.workers[..] else {
        panic!("there are two workers");
    };
    other.kill().await;
    let mut held = wire.hold(patterns);
    let task = ann.client.song("Rain").await;
    held.reached().await;
    frozen.take().await.signal(Signal::Freeze).await;
    cluster.channels[0].upstream.set_faults(faults).await;
    other.serve().await;
    settled(cluster, LEASE).await;
    (task, held)
}

/// Forwards what was held, so that it waits for the worker, and lets the worker go on.
async fn thaw(cluster: &Cluster, held: Gate) {
    held.release();
    cluster.workers[0].take().await.signal(Signal::Thaw).await;
}

/// The only worker that runs ends a song, so it has finished what it did before.
async fn next_song_succeeds(ann: &PatientClient) -> String {
    let next = ann.client.song("Snow").await;
    ann.succeeds(&next, LEASE).await;
    next
}

/// A task's history has so many events of each of these kinds.
async fn assert_history(cluster: &Cluster, task: &str, expected: &[(&str, usize)]) {
    let history = history(cluster, task).await;
    for (kind, count) in expected {
        let there = history.get(*kind).copied().unwrap_or_default();
        assert_eq!(there, *count, "{kind}: {history:?}");
    }
}
