//! Who is next, how many run at once, and when a channel is left alone.

use std::time::Duration;

use e2e::{on_both, setup};
use harness::client::{Client, SONG};
use harness::cluster::Cluster;
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{SOON, failure, success};

pub fn scenarios() -> Vec<Trial> {
    vec![
        on_both(
            "a wrong path in the base URL is trouble of the channel, and its songs wait",
            &setup(),
            wrong_path,
        ),
        on_both(
            "a song that waited too long says what was last heard of the upstream",
            &setup().env("QUEUE_TIMEOUT", "8s"),
            waited_too_long,
        ),
        on_both(
            "requests of one user that always fail do not slow the others",
            &setup(),
            always_failing,
        ),
        on_both(
            "a channel where only one user's requests fail takes the next song of another at once",
            &setup(),
            alone_and_failing,
        ),
        on_both(
            "an upstream of which everything fails rests, and is tried with one song",
            &setup(),
            everything_fails,
        ),
        on_both(
            "a paused channel gets nothing new, and its songs are polled to their end",
            &setup(),
            paused,
        ),
        on_both(
            "a user, a key and a channel have no more running songs than they may",
            &setup(),
            limits,
        ),
    ]
    .into_flattened()
}

/// The channel `first` as `channel list` shows it.
async fn first(cluster: &Cluster) -> Value {
    let channels = cluster.operator().json(&["channel", "list"]).await;
    channels[0].clone()
}

async fn set_first(cluster: &Cluster, option: &str, value: &str) {
    let set = ["channel", "set", "--name", "first", option, value];
    cluster.operator().json(&set).await;
}

async fn is_accepted(user: &Client, id: &str) {
    eventually(SOON, "the song to be accepted", async || {
        let task = user.task(id).await;
        (task["status"] != "NOT_START").then_some(())
    })
    .await;
}

async fn wrong_path(cluster: &Cluster) {
    let user = cluster.user("ann", 5 * SONG).await;
    let right = cluster.channels[0].upstream.url.clone();
    set_first(cluster, "--base-url", &format!("{right}/api/v9")).await;
    let mut songs = Vec::new();
    for number in 0..3 {
        songs.push(user.song(&format!("Song {number}")).await);
    }
    let shown = eventually(SOON, "the channel to rest", async || {
        let shown = first(cluster).await;
        (shown["health"] == "open").then_some(shown)
    })
    .await;
    let what = shown["last_trouble"]["what"].as_str().unwrap_or_default();
    assert!(what.contains("404") && what.contains("base URL"), "{shown}");
    for song in &songs {
        assert_eq!(user.task(song).await["status"], "NOT_START");
    }
    set_first(cluster, "--base-url", &right).await;
    for song in &songs {
        success(&user, song).await;
    }
    assert_eq!(first(cluster).await["last_trouble"], Value::Null);
}

async fn waited_too_long(cluster: &Cluster) {
    let user = cluster.user("ann", 2 * SONG).await;
    let upstream = &cluster.channels[0].upstream;
    upstream.set_faults(json!({"submit-401": 1})).await;
    let tried = user.song("Tried").await;
    let reason = failure(&user, &tried).await;
    assert!(
        reason.contains("deadline") && reason.contains("401"),
        "{reason}"
    );
    // Nothing was heard of one that was never sent.
    let never = user.song("Never").await;
    let reason = failure(&user, &never).await;
    assert!(reason.contains("deadline"), "{reason}");
    assert_eq!(cluster.quota("ann").await, (2 * SONG, 0));
}

async fn always_failing(cluster: &Cluster) {
    let bad = cluster.user("bad", 20 * SONG).await;
    let good = cluster.user("good", 20 * SONG).await;
    for number in 0..4 {
        bad.song(&format!("Bad {number} sim:502")).await;
    }
    let mut songs = Vec::new();
    for number in 0..12 {
        songs.push(good.song(&format!("Good {number}")).await);
    }
    for song in &songs {
        success(&good, song).await;
    }
    let shown = first(cluster).await;
    assert_eq!(shown["health"], "closed", "{shown}");
    assert!(
        shown["last_trouble"]["what"]
            .as_str()
            .unwrap_or_default()
            .contains("502"),
        "{shown}"
    );
    cluster.channels[0].upstream.set_faults(json!({})).await;
}

async fn alone_and_failing(cluster: &Cluster) {
    let bad = cluster.user("bad", 40 * SONG).await;
    let good = cluster.user("good", 5 * SONG).await;
    let mut failing = Vec::new();
    for number in 0..30 {
        failing.push(bad.song(&format!("Bad {number} sim:submit-502")).await);
    }
    // Each probe fails, so the rests get longer.
    let rests = || async {
        let shown = first(cluster).await;
        (shown["health"] == "open").then_some(())
    };
    eventually(SOON, "the channel to rest", rests).await;
    sleep(Duration::from_secs(6)).await;
    // Between two rests it is half-open.
    eventually(SOON, "the channel to rest for longer", rests).await;
    let asked = Instant::now();
    let song = good.song("Good").await;
    is_accepted(&good, &song).await;
    let waited = asked.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    success(&good, &song).await;
}

async fn everything_fails(cluster: &Cluster) {
    let user = cluster.user("ann", 30 * SONG).await;
    let upstream = &cluster.channels[0].upstream;
    upstream.set_faults(json!({"submit-503": 1})).await;
    let mut songs = Vec::new();
    for number in 0..12 {
        songs.push(user.song(&format!("Song {number}")).await);
    }
    eventually(SOON, "the channel to rest", async || {
        (first(cluster).await["health"] == "open").then_some(())
    })
    .await;
    upstream.set_faults(json!({})).await;
    for song in &songs {
        success(&user, song).await;
    }
    assert_eq!(first(cluster).await["health"], "closed");
}

async fn paused(cluster: &Cluster) {
    let user = cluster.user("ann", 5 * SONG).await;
    let under_way = user.song("Long sim:takes=4s").await;
    is_accepted(&user, &under_way).await;
    let operator = cluster.operator();
    operator
        .json(&["channel", "pause", "--name", "first"])
        .await;
    let waits = user.song("Later").await;
    success(&user, &under_way).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(user.task(&waits).await["status"], "NOT_START");
    assert_eq!(cluster.upstream().asked_and_accepted("Later").await, (0, 0));
    operator
        .json(&["channel", "resume", "--name", "first"])
        .await;
    success(&user, &waits).await;
}

async fn limits(cluster: &Cluster) {
    let operator = cluster.operator();
    let (a, b) = (
        cluster.user("ann", 9 * SONG).await,
        cluster.user("bob", 9 * SONG).await,
    );
    set_first(cluster, "--max-tasks", "3").await;
    operator
        .json(&["user", "set", "--name", "ann", "--max-tasks", "1"])
        .await;
    let mut songs = Vec::new();
    for number in 0..4 {
        songs.push((&a, a.song(&format!("user-ann {number} sim:takes=1s")).await));
        songs.push((&b, b.song(&format!("user-bob {number} sim:takes=1s")).await));
    }
    for (user, song) in &songs {
        success(user, song).await;
    }
    let made = cluster.channels[0].upstream.places().await;
    assert!(made.of("user-ann").most < 1.5, "{made:?}");
    assert!(made.all.most < 3.5 && made.all.refused < 0.5, "{made:?}");
    let shown = first(cluster).await;
    assert_eq!(
        (&shown["running"], &shown["limit"]),
        (&json!(0), &json!(3)),
        "{shown}"
    );
}
