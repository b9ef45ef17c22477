//! Processes that stop and die.

use std::time::Duration;

use e2e::{Kind, kill_a_worker, on, on_both, setup};
use harness::client::{Client, SONG};
use harness::cluster::{Cluster, Setup};
use harness::process::Signal;
use harness::wait::eventually;
use libtest_mimic::Trial;

use crate::SOON;

/// How many songs are under way when it happens.
const SONGS: usize = 80;
/// How long it may take until the last task has ended: what a dead worker had begun is found when
/// its lease is over, 31 s after the submit, by a sweep that leaves it another 10 s.
const RECOVERY: Duration = Duration::from_mins(3);

pub fn scenarios() -> Vec<Trial> {
    let slow = ["--submit-latency", "100ms..1500ms", "--song-time", "1s..4s"];
    let setup = setup()
        .upstreams(&[("first", &slow)])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "5s")
        .limit(Duration::from_secs(150));
    let patient = Setup {
        workers: 1,
        ..e2e::setup().env("UPSTREAM_SUBMIT_TIMEOUT", "2m")
    };
    let idempotent = [&slow[..], &["--idempotent"]].concat();
    let mut scenarios = vec![
        on_both(
            "a worker that is killed under load costs no task and no money",
            &setup,
            killed_worker,
        ),
        on_both(
            "what was accepted is not lost when everything is killed at once",
            &setup,
            killed_at_once,
        ),
        on_both(
            "an idempotent channel gets again what it may have got when everything was killed",
            &setup.clone().upstreams(&[("first", &idempotent)]),
            killed_at_an_idempotent_channel,
        ),
        on_both(
            "a stop under load is in order, and a start goes on where it stopped",
            &setup,
            graceful_stop,
        ),
        on_both(
            "a second signal ends a stop that waits for an upstream",
            &patient,
            second_signal,
        ),
    ]
    .into_flattened();
    scenarios.push(on(
        Kind::Separate,
        "a worker that stood still past its leases comes back and spoils nothing",
        setup,
        frozen_worker,
    ));
    scenarios
}

async fn killed_worker(cluster: &Cluster) {
    let (user, ids) = songs_under_way(cluster).await;
    kill_a_worker(cluster).await;
    cluster.serve().await;
    all_end(cluster, &user, &ids).await;
}

async fn killed_at_once(cluster: &Cluster) {
    let (user, ids) = songs_under_way(cluster).await;
    cluster.kill().await;
    cluster.serve().await;
    all_end(cluster, &user, &ids).await;
}

async fn killed_at_an_idempotent_channel(cluster: &Cluster) {
    let set = ["channel", "set", "--name", "first", "--idempotent"];
    cluster.operator().json(&set).await;
    let (user, ids) = songs_under_way(cluster).await;
    cluster.kill().await;
    cluster.serve().await;
    let successes = all_end(cluster, &user, &ids).await;
    assert_eq!(successes, SONGS, "each song is made once");
}

async fn graceful_stop(cluster: &Cluster) {
    let (user, ids) = songs_under_way(cluster).await;
    cluster.stop().await;
    cluster.serve().await;
    let successes = all_end(cluster, &user, &ids).await;
    assert_eq!(successes, SONGS, "a stop in order costs nothing");
}

async fn second_signal(cluster: &Cluster) {
    let user = cluster.user("ann", SONG).await;
    user.song("Silence sim:hang-after").await;
    eventually(SOON, "the submit to be under way", async || {
        let counts = cluster.upstream().counts().await;
        (counts["submits"]["accepted"] == 1).then_some(())
    })
    .await;
    let node = cluster.workers.first().unwrap_or(&cluster.apis[0]);
    let mut worker = node.take().await.give().expect("it runs");
    worker.signal(Signal::Terminate).await;
    eventually(SOON, "the stop to wait", async || {
        let waits = worker.log().contains("waiting for upstreams");
        waits.then_some(())
    })
    .await;
    assert_eq!(worker.has_ended(), None);
    worker.signal(Signal::Terminate).await;
    let ended = worker.ended(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(143), "{ended}");
}

async fn frozen_worker(cluster: &Cluster) {
    let (user, ids) = songs_under_way(cluster).await;
    cluster.workers[0].signal(Signal::Freeze).await;
    let successes = all_end(cluster, &user, &ids).await;
    let before = user.tasks(&ids).await;
    cluster.workers[0].signal(Signal::Thaw).await;

    let health = format!("{}/readyz", cluster.workers[0].url);
    eventually(SOON, "the worker to be ready again", async || {
        let answer = harness::client::http().get(&health).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let one_more = user.song("One More").await;
    user.end_of(&one_more, SOON).await;
    assert_eq!(user.tasks(&ids).await, before, "nothing that ended changes");
    let spent = i64::try_from(successes + 1).expect("it is small") * SONG;
    assert_eq!(cluster.quota("ann").await.1, spent);
}

/// Submits songs, and comes back when some of them are at the upstream, some on their way there, and
/// none has ended.
async fn songs_under_way(cluster: &Cluster) -> (Client, Vec<String>) {
    let quota = i64::try_from(SONGS + 1).expect("it is small") * SONG;
    let user = cluster.user("ann", quota).await;
    let titles: Vec<String> = (0..SONGS).map(|number| format!("Song {number}")).collect();
    let ids = user.songs(&titles).await;
    eventually(SOON, "some songs at the upstream", async || {
        let tasks = user.tasks(&ids).await;
        let begun = tasks.iter().filter(|task| task["status"] != "NOT_START");
        (begun.count() >= SONGS / 4).then_some(())
    })
    .await;
    (user, ids)
}

/// Waits until all have ended: in SUCCESS, or in FAILURE where a worker died between sending and
/// recording. Checks the money, and returns how many succeeded.
async fn all_end(cluster: &Cluster, user: &Client, ids: &[String]) -> usize {
    let tasks = user.ends_of(ids, RECOVERY).await;
    let failed = tasks.iter().filter(|task| task["status"] == "FAILURE");
    let mut failures = 0;
    for task in failed {
        let reason = task["fail_reason"].as_str().unwrap_or_default();
        assert!(reason.contains("not known"), "{task}");
        failures += 1;
    }
    let successes = ids.len() - failures;
    assert!(successes >= ids.len() / 4, "only {successes} succeeded");
    let spent = i64::try_from(successes).expect("it is small") * SONG;
    assert_eq!(cluster.quota("ann").await.1, spent);
    let counts = cluster.upstream().counts().await;
    assert_eq!(counts["submits"]["accepted_twice"], 0, "{counts}");
    successes
}
