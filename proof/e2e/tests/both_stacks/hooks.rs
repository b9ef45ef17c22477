//! Vendors that call when a task has ended.

use std::time::Duration;

use e2e::{on_both, setup};
use harness::client::SONG;
use harness::cluster::Cluster;
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::time::Instant;

use crate::success;

pub fn scenarios() -> Vec<Trial> {
    // Polls alone would see the end of a song after a minute.
    let setup = setup()
        .env("POLL_INITIAL_DELAY", "1m")
        .env("POLL_MAX_DELAY", "1m")
        .upstreams(&[("first", &["--song-time", "2s..3s"])])
        .channel(&["--dialect", "sunoapi"])
        .hooks();
    on_both("a vendor that calls is looked at now", &setup, called).into()
}

/// The address that the vendor got with the song of this title.
async fn address(cluster: &Cluster, title: &str) -> String {
    let submits = cluster.upstream().submits(title).await;
    let address = &submits["latest"][0]["body"]["callBackUrl"];
    address.as_str().expect("it is a text").to_owned()
}

async fn called(cluster: &Cluster) {
    let user = cluster.user("ann", 10 * SONG).await;
    let first = user.song("First").await;
    let slow = user.song("Slow sim:takes=10m").await;
    success(&user, &first).await;
    let story = user.page(&format!("/api/task/{first}")).await;
    let kinds = story["history"].as_array().expect("it has a history");
    let called = kinds.iter().filter(|event| event["kind"] == "called");
    assert_eq!(called.count(), 1, "{story}");

    // The address is the API's.
    let ours = &cluster.apis[0].url;
    let channel = cluster.channels[0].id;
    let hook = address(cluster, "Slow sim:takes=10m").await;
    let expected = format!("{ours}/hooks/{channel}/");
    assert!(hook.starts_with(&expected), "{hook} {expected}");

    // A lie, many times: there are few looks, and the task goes on.
    let before = cluster.upstream().fetches().await.calls;
    let (http, started) = (harness::client::http(), Instant::now());
    let lie = json!({"code": 400, "msg": "failed", "data": {"callbackType": "error"}});
    for _ in 0..50 {
        let answer = http.post(&hook).json(&lie).send().await;
        assert_eq!(answer.expect("the API answers").status(), 200);
    }
    // A look at once, one every 2 s for what came meanwhile, and one after the last call.
    let looks = async || cluster.upstream().fetches().await.calls - before;
    eventually(Duration::from_secs(20), "two looks", async || {
        (looks().await >= 2.0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (looks, seconds) = (looks().await, started.elapsed().as_secs_f64());
    assert!(looks <= seconds / 2.0 + 2.0, "{looks} looks in {seconds} s");
    let task = user.task(&slow).await;
    assert_eq!(task["fail_reason"], "", "{task}");

    // Whoever does not have the address moves nothing.
    let wrong = format!("{}0000", &hook[..hook.len() - 4]);
    let wrong = http.post(wrong).send().await;
    assert_eq!(wrong.expect("the API answers").status(), 404);

    cluster
        .upstream()
        .finish(json!({"title": "Slow sim:takes=10m"}))
        .await;
    success(&user, &slow).await;
}
