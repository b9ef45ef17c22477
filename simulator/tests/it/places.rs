//! An upstream with places.

use std::time::Duration;

use serde_json::{Value, json};
use suno_simulator::Options;

use crate::upstream::{Upstream, quick};

async fn with_places(places: u32) -> Upstream {
    let places = Some(places);
    Upstream::with(Options { places, ..quick() }).await
}

/// Submits a song of these owners; returns the status of the answer.
async fn status(upstream: &Upstream, title: &str, prompt: &str) -> u16 {
    let song = json!({"title": title, "prompt": prompt});
    let answer = upstream.post("/suno/submit/music", &song).await;
    answer.expect("an answer").status.as_u16()
}

async fn places(upstream: &Upstream) -> Value {
    upstream.get("/simulator/places").await
}

#[tokio::test]
async fn a_submit_above_the_places_gets_429_and_is_not_accepted() {
    let upstream = with_places(2).await;
    let first = upstream.accepted("One").await;
    upstream.accepted("Two").await;
    let answer = upstream.submit("Three").await.unwrap();
    assert_eq!(answer.status, 429);
    assert!(!answer.headers.contains_key("retry-after"));
    assert_eq!(upstream.counts().submits.accepted, 2);
    assert!(upstream.counts().faults.is_empty());

    let order = json!({"task_ids": [first]});
    upstream.post_json("/simulator/finish", order).await;
    upstream.accepted("Three").await;
    let places = places(&upstream).await;
    assert_eq!(
        (&places["places"], &places["running"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&places["most"], &places["accepted"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(places["refused_by"], json!({"places": 1}));
}

#[tokio::test]
async fn a_place_is_free_once_its_song_ends_or_is_forgotten() {
    let upstream = with_places(1).await;
    upstream.accepted("Short sim:takes=50ms").await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    upstream.accepted("Long").await;
    assert_eq!(upstream.status("Longer").await, 429);
    upstream.post_json("/simulator/forget", json!({})).await;
    upstream.accepted("Longer").await;
    assert_eq!(places(&upstream).await["most"], 1);
}

#[tokio::test]
async fn owners_are_counted_apart_and_refusals_by_their_kind() {
    let upstream = with_places(2).await;
    assert_eq!(status(&upstream, "a", "user-1 key-1 a song").await, 200);
    assert_eq!(status(&upstream, "b", "user-2 key-1 a song").await, 200);
    assert_eq!(status(&upstream, "c", "user-2 key-2 a song").await, 429);
    assert_eq!(status(&upstream, "d sim:429", "user-3 a song").await, 429);
    assert_eq!(status(&upstream, "e sim:submit-502", "user-3").await, 502);
    let places = places(&upstream).await;
    let of = |owner: &str| {
        let tally = &places["owners"][owner];
        ["running", "most", "accepted", "refused"].map(|name| tally[name].as_u64())
    };
    let one = |running| [Some(running), Some(running), Some(running), Some(0)];
    assert_eq!(of("user-1"), one(1));
    assert_eq!(of("key-1"), one(2));
    assert_eq!(of("user-2"), [Some(1), Some(1), Some(1), Some(1)]);
    assert_eq!(of("user-3"), [Some(0), Some(0), Some(0), Some(1)]);
    assert_eq!(places["refused_by"], json!({"places": 1, "submit-429": 1}));
    let made = upstream.get("/simulator/places/made").await;
    let mut owners: Vec<&Value> = made
        .as_array()
        .unwrap()
        .iter()
        .map(|made| &made["owners"])
        .collect();
    owners.sort_by_key(ToString::to_string);
    assert_eq!(
        owners,
        [&json!(["user-1", "key-1"]), &json!(["user-2", "key-1"])]
    );
    let hour = made[0]["to"].as_u64().unwrap() - made[0]["from"].as_u64().unwrap();
    assert_eq!(hour, 3_600_000);
}

#[tokio::test]
async fn a_directive_refuses_every_submit_of_its_title_at_once() {
    let upstream = Upstream::start().await;
    for _ in 0..10 {
        assert_eq!(upstream.status("Rain sim:submit-502").await, 502);
    }
    assert_eq!(upstream.status("Rain").await, 200);
}
