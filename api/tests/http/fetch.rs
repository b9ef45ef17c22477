//! `GET /suno/fetch/{task_id}` and `POST /suno/fetch` (`docs/contract.md`, "Making music").

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use shared::task::{End, Status};

use crate::app::{SONG, TestApp, TestUser};
use crate::client::TestResponse;
use crate::golden::{assert_golden, pretty};
use crate::tasks::failed;

#[tokio::test]
async fn tasks_speak_the_upstream_dialect() {
    let (app, alice) = TestApp::with_alice().await;
    let channel = app.channel("second").await;
    let mut tasks = Vec::new();
    for action in ["music", "music", "lyrics", "music"] {
        tasks.push(app.submit(&alice, action, SONG).await);
    }
    for task in &tasks[..3] {
        let upstream_id = format!("up-{}", &task[5..9]);
        app.accept(task, channel, &upstream_id).await;
    }
    app.clock.advance(Duration::from_secs(37));
    let clips = r#"[{"id":"c1","duration":120.50}]"#;
    let in_progress = Status::InProgress;
    app.progress(&tasks[0], channel, in_progress, "[]").await;
    app.clock.advance(Duration::from_mins(1));
    app.end(&tasks[0], channel, End::Success, Some(clips)).await;
    let failure = failed("out of tune");
    app.end(&tasks[1], channel, failure, None).await;
    app.progress(&tasks[2], channel, in_progress, "null").await;
    let response = fetch(&app, &alice, &tasks).await;
    assert_eq!(response.status, 200);
    assert_golden("fetch_many.json", &pretty(response.text()));
    let one = app.get(&format!("/suno/fetch/{}", tasks[0]));
    let one = one.key(&alice.key).send().await;
    assert_eq!(one.status, 200);
    assert_golden("fetch.json", &pretty(one.text()));
}

async fn fetch(app: &TestApp, user: &TestUser, ids: &[impl Serialize]) -> TestResponse {
    let request = app.post("/suno/fetch").key(&user.key);
    request.json(json!({ "ids": ids }).to_string()).send().await
}

/// The names of the tasks that a fetch of these ids returns.
async fn fetched(app: &TestApp, user: &TestUser, ids: &[impl Serialize]) -> Vec<String> {
    let response = fetch(app, user, ids).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let json = response.json();
    let tasks = json["data"].as_array().expect("it is an array").iter();
    let name = |task: &serde_json::Value| task["task_id"].as_str().map(str::to_owned);
    tasks.filter_map(name).collect()
}

#[tokio::test]
async fn many_come_in_the_order_asked_once_each_without_the_unknown_ones() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    let a = app.song(&alice).await;
    let b = app.song(&alice).await;
    let other = app.song(&bob).await;
    let unknown = format!("task_{}", "a".repeat(32));
    let ids = [&b, &unknown, &other, &a, "", "x", &b];
    assert_eq!(fetched(&app, &alice, &ids).await, [&*b, &*a]);
    assert_eq!(fetched(&app, &bob, &ids).await, [&*other]);
    assert_eq!(fetched(&app, &alice, &[""; 0]).await, [""; 0]);
}

#[tokio::test]
async fn a_thousand_ids_are_served_and_one_more_is_refused() {
    let (app, alice) = TestApp::with_alice().await;
    let task = app.song(&alice).await;
    let mut ids: Vec<String> = (0..999).map(|n| format!("task_{n:032}")).collect();
    ids.push(task.clone());
    assert_eq!(fetched(&app, &alice, &ids).await, [task]);
    ids.push("task_x".to_owned());
    let response = fetch(&app, &alice, &ids).await;
    assert_eq!(response.error(), "400 invalid_request");
}

#[tokio::test]
async fn another_users_task_looks_like_one_that_does_not_exist() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    let of_alice = app.song(&alice).await;
    let mut texts = Vec::new();
    let unknown = format!("task_{}", "a".repeat(32));
    for id in [&of_alice, &unknown, "x", "%00", "%FF", "..%2F.."] {
        let response = app.get(&format!("/suno/fetch/{id}")).key(&bob.key);
        let response = response.send().await;
        assert_eq!(response.error(), "400 task_not_exist", "{id}");
        texts.push(response.text().to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1);
}
