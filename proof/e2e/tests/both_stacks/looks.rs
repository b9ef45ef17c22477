//! When channels are asked about their tasks: often, but never more often than they may be.

use std::time::Duration;

use e2e::{on_both, setup};
use harness::client::{Client, SONG};
use harness::cluster::Cluster;
use libtest_mimic::Trial;

use crate::success;

pub fn scenarios() -> Vec<Trial> {
    let refuses: &[&str] = &["--fetches-per-second", "2"];
    vec![
        on_both(
            "a channel gets no more fetches than its bound, and each asks about many songs",
            &setup(),
            bounded,
        ),
        on_both(
            "an upstream that refuses fetches gets fewer of them, and does not rest",
            &setup().upstreams(&[("first", refuses)]),
            refused,
        ),
    ]
    .into_flattened()
}

async fn songs(user: &Client, count: u32, takes: &str) -> Vec<String> {
    let mut songs = Vec::new();
    for number in 0..count {
        songs.push(user.song(&format!("Song {number} sim:takes={takes}")).await);
    }
    songs
}

async fn set_bound(cluster: &Cluster, bound: &str) {
    let set = [
        "channel",
        "set",
        "--name",
        "first",
        "--polls-per-second",
        bound,
    ];
    cluster.operator().json(&set).await;
}

async fn bounded(cluster: &Cluster) {
    let user = cluster.user("ann", 40 * SONG).await;
    set_bound(cluster, "1").await;
    // The plans are made anew every second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for song in songs(&user, 40, "9s").await {
        success(&user, &song).await;
    }
    let fetches = cluster.channels[0].upstream.fetches().await;
    assert!(fetches.most_in_10s <= 10.0, "{fetches:?}");
    assert!(fetches.ids >= 3.0 * fetches.calls, "{fetches:?}");
}

async fn refused(cluster: &Cluster) {
    let user = cluster.user("ann", 40 * SONG).await;
    for song in songs(&user, 40, "20s").await {
        success(&user, &song).await;
    }
    let fetches = cluster.channels[0].upstream.fetches().await;
    assert!(fetches.refused * 2.0 <= fetches.calls, "{fetches:?}");
    let channels = cluster.operator().json(&["channel", "list"]).await;
    assert_eq!(channels[0]["health"], "closed", "{channels}");
}
