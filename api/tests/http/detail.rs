//! `GET /api/task/{task_id}`, and what the listings leave to it (`docs/contract.md`, "Listings").

use std::time::Duration;

use serde_json::{Value, json};
use shared::config::{Cors, ListingActions};
use shared::task::{ChannelId, End, Status};

use crate::app::{TestApp, TestUser};
use crate::golden::{assert_golden, pretty};
use crate::tasks::failed;

const CLIPS: &str = r#"[{"id":"c1","duration":120.50}]"#;

/// A song that failed, after a submit that did not arrive, and was refunded.
async fn failed_song(app: &TestApp, alice: &TestUser) -> String {
    let channel = app.channel("the secret channel").await;
    let prompt = "雨".repeat(1_001);
    let song = app
        .submit(alice, "music", &json!({ "prompt": prompt }).to_string())
        .await;
    app.clock.advance(Duration::from_secs(2));
    app.accept(&song, channel, "upstream-id").await;
    app.clock.advance(Duration::from_secs(5));
    app.progress(&song, channel, Status::InProgress, CLIPS)
        .await;
    app.end(&song, channel, failed("out of tune"), Some(CLIPS))
        .await;
    let row = app.story(&song).await.task.id;
    let late = app
        .store
        .note_late(row, Status::Success, Some(CLIPS), app.now())
        .await;
    late.expect("the database works");
    song
}

#[tokio::test]
async fn a_user_sees_their_own_task_whole_and_nothing_of_channels_and_upstreams() {
    let (app, alice) = TestApp::with_alice().await;
    let song = failed_song(&app, &alice).await;
    let detail = app.get(&format!("/api/task/{song}")).user(&alice);
    let detail = detail.send().await;
    assert_eq!(detail.status, 200);
    let shown = detail.text().replace(&"雨".repeat(1_001), "雨 × 1,001");
    assert_golden("detail_own.json", &pretty(&shown));
    for hidden in ["secret", "upstream", "http"] {
        assert!(!detail.text().contains(hidden), "{hidden}");
    }
    let slash = app.get(&format!("/api/task/{song}/")).user(&alice);
    assert_eq!(slash.send().await.text(), detail.text());
}

#[tokio::test]
async fn an_administrator_sees_anybodys_task_as_task_show_prints_it() {
    let (app, alice) = TestApp::with_alice().await;
    let root = app.admin("root").await;
    let song = failed_song(&app, &alice).await;
    let detail = app.get(&format!("/api/task/{song}")).user(&root);
    let detail = detail.send().await.json();
    let data = &detail["data"];
    assert_eq!(
        (&data["username"], &data["channel_id"]),
        (&json!("alice"), &json!(2))
    );
    let history = data["history"].as_array().expect("it has a history");
    let lines: Vec<_> = history
        .iter()
        .map(|line| format!("{} {}", line["kind"], line["detail"]).replace('"', ""))
        .collect();
    assert_eq!(lines[1], "sending to channel the secret channel");
    assert_eq!(
        lines[2],
        "accepted by channel the secret channel as upstream-id"
    );
    let amounts = data["ledger"].as_array().expect("it has a ledger").iter();
    let amounts: Vec<_> = amounts.map(|entry| &entry["amount"]).collect();
    assert_eq!(amounts, [-150_000, 150_000]);
}

#[tokio::test]
async fn a_listing_shows_the_item_of_the_detail_with_the_beginning_of_its_input() {
    let (app, alice) = TestApp::with_alice().await;
    let song = failed_song(&app, &alice).await;
    let page = app.get("/api/task/self").user(&alice).send().await.json();
    let mut item = page["data"]["items"][0].clone();
    let beginning = format!("{}…", "雨".repeat(1_000));
    assert_eq!(item["properties"], json!({ "input": beginning }));
    let detail = app.get(&format!("/api/task/{song}")).user(&alice);
    let mut detail = detail.send().await.json()["data"].clone();
    item["properties"] = detail["properties"].clone();
    let more = detail.as_object_mut().expect("it is an object");
    assert!(more.remove("history").is_some() && more.remove("ledger").is_some());
    assert_eq!(item, detail);
}

#[tokio::test]
async fn another_users_task_a_malformed_id_and_an_unknown_one_get_the_same_404() {
    let (app, alice) = TestApp::with_alice().await;
    let (bob, root) = (app.user("bob").await, app.admin("root").await);
    let song = app.song(&alice).await;
    let mut answers = Vec::new();
    for (user, task) in [
        (&bob, song.as_str()),
        (&bob, "task_00000000000000000000000000000000"),
        (&bob, "x"),
        (&bob, "%ff"),
        (&bob, "task_%00"),
        (&root, "task_00000000000000000000000000000000"),
        (&root, "x"),
    ] {
        let detail = app.get(&format!("/api/task/{task}")).user(user).send();
        let detail = detail.await;
        assert_eq!(detail.status, 404, "{task}");
        answers.push(detail.text().to_owned());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let own = app.get("/api/task/self").user(&alice).send().await;
    assert_eq!(own.page(), (vec![song.clone()], 1));
    let unknown = app.get(&format!("/api/task/{song}")).send().await;
    assert_eq!(unknown.status, 401);
}

#[tokio::test]
async fn actions_are_named_as_new_api_knows_them_where_it_is_asked_for() {
    let app = TestApp::with(Cors::None, ListingActions::NewApi).await;
    app.channel("main").await;
    let (alice, root) = (app.user("alice").await, app.admin("root").await);
    let song = app.song(&alice).await;
    let lyrics = app.submit(&alice, "lyrics", r#"{"prompt":"p"}"#).await;
    let page = app.get("/api/task/").user(&root).send().await.json();
    let items = page["data"]["items"].as_array().expect("a page has items");
    let actions: Vec<&Value> = items.iter().map(|item| &item["action"]).collect();
    assert_eq!(actions, ["LYRICS", "MUSIC"]);
    for (task, action) in [(&song, "MUSIC"), (&lyrics, "LYRICS")] {
        let detail = app.get(&format!("/api/task/{task}")).user(&alice);
        assert_eq!(detail.send().await.json()["data"]["action"], action);
    }
    for name in ["song", "music", "MUSIC"] {
        let page = app.get(&format!("/api/task/self?action={name}"));
        let page = page.user(&alice).send().await.page();
        assert_eq!(page, (vec![song.clone()], 1), "{name}");
    }
}

#[tokio::test]
async fn results_beyond_8_mib_are_left_to_the_detail_and_the_fetch_of_one() {
    let (app, alice) = TestApp::with_alice().await;
    let large = json!([{ "id": "x".repeat(5 * 1024 * 1024) }]);
    let mut songs = Vec::new();
    for _ in 0..2 {
        let song = app.song(&alice).await;
        app.accept(&song, ChannelId(1), &song).await;
        let data = large.to_string();
        app.end(&song, ChannelId(1), End::Success, Some(&data))
            .await;
        songs.insert(0, song);
    }
    let page = app.get("/api/task/self").user(&alice).send().await.json();
    let ids = json!({ "ids": songs }).to_string();
    let batch = app.post("/suno/fetch").key(&alice.key).json(ids).send();
    let batch = batch.await.json();
    for tasks in [&page["data"]["items"], &batch["data"]] {
        assert_eq!(
            (&tasks[0]["data"], &tasks[0]["truncated"]),
            (&large, &Value::Null)
        );
        let left_out = (&tasks[1]["data"], &tasks[1]["truncated"]);
        assert_eq!(left_out, (&json!({}), &json!(true)));
        assert_eq!(tasks[1]["task_id"], *songs[1]);
    }
    let detail = app.get(&format!("/api/task/{}", songs[1])).user(&alice);
    let fetch = app
        .get(&format!("/suno/fetch/{}", songs[1]))
        .key(&alice.key);
    for request in [detail, fetch] {
        let task = &request.send().await.json()["data"];
        assert_eq!((&task["data"], &task["truncated"]), (&large, &Value::Null));
    }
}
