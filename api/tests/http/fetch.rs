//! `GET /suno/fetch/{task_id}` and `POST /suno/fetch` (contract, section 3).

use std::time::Duration;

use serde_json::json;
use shared::store::turns::End;
use shared::task::Status;

use crate::golden::{assert_golden, pretty};
use crate::tasks::failed;
use crate::world::{Person, World};

#[tokio::test]
async fn tasks_speak_the_upstream_dialect() {
    let (world, alice) = World::with_alice().await;
    let channel = world.channel("second").await;
    let mut tasks = Vec::new();
    for action in ["music", "music", "lyrics", "music"] {
        tasks.push(world.submit(&alice, action, r#"{"prompt":"p"}"#).await);
    }
    for task in &tasks[..3] {
        world
            .accept(task, channel, &format!("up-{}", &task[5..9]))
            .await;
    }
    world.clock.advance(Duration::from_secs(37));
    let clips = r#"[{"id":"c1","duration":120.50}]"#;
    world
        .progress(&tasks[0], channel, Status::InProgress, "[]")
        .await;
    world.clock.advance(Duration::from_mins(1));
    world
        .end(&tasks[0], channel, End::Success, Some(clips))
        .await;
    world
        .end(&tasks[1], channel, failed("out of tune"), None)
        .await;
    world
        .progress(&tasks[2], channel, Status::InProgress, "null")
        .await;
    let body = json!({ "ids": tasks }).to_string();
    let ask = world.post("/suno/fetch").key(&alice.key);
    let answer = ask.json(body).send().await;
    assert_eq!(answer.status, 200);
    assert_golden("fetch_many.json", &pretty(answer.text()));
    let one = world.get(&format!("/suno/fetch/{}", tasks[0]));
    let one = one.key(&alice.key).send().await;
    assert_eq!(one.status, 200);
    assert_golden("fetch.json", &pretty(one.text()));
}

async fn fetch_many(world: &World, person: &Person, ids: &[&str]) -> Vec<String> {
    let ask = world.post("/suno/fetch").key(&person.key);
    let answer = ask.json(json!({ "ids": ids }).to_string()).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let tasks = json["data"].as_array().expect("it is an array").iter();
    let name = |task: &serde_json::Value| task["task_id"].as_str().map(str::to_owned);
    tasks.filter_map(name).collect()
}

#[tokio::test]
async fn many_come_in_the_order_asked_once_each_without_the_unknown_ones() {
    let (world, alice) = World::with_alice().await;
    let bob = world.user("bob").await;
    let a = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let b = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let other = world.submit(&bob, "music", r#"{"prompt":"p"}"#).await;
    let unknown = format!("task_{}", "a".repeat(32));
    let ids = [&b, &unknown, &other, &a, "", "x", &b];
    assert_eq!(fetch_many(&world, &alice, &ids).await, [&*b, &*a]);
    assert_eq!(fetch_many(&world, &bob, &ids).await, [&*other]);
    assert_eq!(fetch_many(&world, &alice, &[]).await, [""; 0]);
}

#[tokio::test]
async fn a_thousand_ids_are_served_and_one_more_is_refused() {
    let (world, alice) = World::with_alice().await;
    let task = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let mut ids: Vec<String> = (0..999).map(|n| format!("task_{n:032}")).collect();
    ids.push(task.clone());
    let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(fetch_many(&world, &alice, &asked).await, [task]);
    ids.push("task_x".to_owned());
    let ask = world.post("/suno/fetch").key(&alice.key);
    let answer = ask.json(json!({ "ids": ids }).to_string()).send().await;
    assert_eq!(answer.code(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn another_users_task_looks_like_one_that_does_not_exist() {
    let (world, alice) = World::with_alice().await;
    let bob = world.user("bob").await;
    let of_alice = world.submit(&alice, "music", r#"{"prompt":"p"}"#).await;
    let mut texts = Vec::new();
    let unknown = format!("task_{}", "a".repeat(32));
    for id in [&of_alice, &unknown, "x", "%00", "%FF", "..%2F.."] {
        let answer = world.get(&format!("/suno/fetch/{id}")).key(&bob.key);
        let answer = answer.send().await;
        assert_eq!(answer.code(), (400, "task_not_exist".to_owned()), "{id}");
        texts.push(answer.text().to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1);
}
