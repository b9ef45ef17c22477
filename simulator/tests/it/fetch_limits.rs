//! An upstream that takes few fetches a second, or few ids a fetch.

use serde_json::{Value, json};
use suno_simulator::Options;

use crate::upstream::{Upstream, quick};

async fn fetches(upstream: &Upstream) -> Value {
    upstream.get("/simulator/fetches").await
}

#[tokio::test]
async fn a_fetch_above_the_limit_of_a_second_gets_429_and_tells_nothing() {
    let fetches_per_second = Some(2);
    let upstream = Upstream::with(Options {
        fetches_per_second,
        ..quick()
    })
    .await;
    let id = upstream.accepted("Rain").await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(upstream.fetch(&[&id]).await.unwrap().status.as_u16());
    }
    let refused = upstream.fetch(&[&id]).await.unwrap();
    statuses.push(refused.status.as_u16());
    let one = upstream.get(&format!("/suno/fetch/{id}")).await;
    // The three are far less than a second apart.
    assert_eq!(statuses, [200, 200, 429]);
    assert!(!refused.headers.contains_key("retry-after"));
    assert_eq!(refused.json()["data"], Value::Null);
    assert_eq!(one["code"], "rate_limited");
    let shown = fetches(&upstream).await;
    let counts = ["calls", "refused", "ids", "most_in_1s", "most_in_10s"];
    assert_eq!(
        counts.map(|name| shown[name].as_u64()),
        [4, 2, 4, 4, 4].map(Some)
    );
    let counts = upstream.counts();
    assert_eq!((counts.fetches.asked, counts.faults.len()), (4, 0));
}

#[tokio::test]
async fn a_fetch_with_too_many_ids_gets_400() {
    let upstream = Upstream::with(Options {
        ids_per_fetch: 1,
        ..quick()
    })
    .await;
    let ids = [upstream.accepted("A").await, upstream.accepted("B").await];
    let refused = upstream.fetch(&[&ids[0], &ids[1]]).await.unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["message"], "at most 1 ids at once");
    assert_eq!(upstream.tasks(&[&ids[1]]).await.len(), 1);
    let shown = fetches(&upstream).await;
    let counts = ["calls", "too_many_ids", "ids", "most_ids"];
    assert_eq!(
        counts.map(|name| shown[name].as_u64()),
        [2, 1, 3, 2].map(Some)
    );
}

#[tokio::test]
async fn songs_in_flight_at_mixed_ages_began_before_a_moment_and_end_after_it() {
    let upstream = Upstream::start().await;
    let order = json!({"series": 7, "count": 300, "takes": "lognormal:90s,0.4,30s..300s",
                       "mixed_in": "10s"});
    let born = upstream.post_json("/simulator/tasks", order).await["born"].as_u64();
    let moment = born.expect("a moment");
    let made = upstream.get("/simulator/places/made").await;
    let made = made.as_array().expect("a list");
    assert_eq!(made.len(), 300);
    for one in made {
        let id = one["task_id"].as_str().unwrap();
        assert!(id.starts_with("00000000-0000-0000-0007-"), "{id}");
        let [from, to] = ["from", "to"].map(|name| one[name].as_u64().unwrap());
        assert!(from <= moment && moment <= to, "{from} {moment} {to}");
        assert!((29_999..=300_001).contains(&(to - from)), "{from} {to}");
    }
    let wrong = json!({"series": 7, "count": 1, "mixed_in": "soon"});
    let refused = upstream.post("/simulator/tasks", &wrong).await.unwrap();
    assert_eq!(refused.status, 400);
}
