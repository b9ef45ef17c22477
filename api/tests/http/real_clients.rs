//! What programs of others send, as they send it. The bodies are seeds of the fuzzer, too
//! (`proof/fuzz/seeds/body`).

use axum::http::Method;
use serde_json::{Value, json};
use shared::config::Cors;
use shared::task::{End, Status};

use crate::app::TestApp;

/// The clip that the bodies name.
const CLIP: &str = "ca94a97d-d3f2-4a63-aeee-ba3a43384bcd";

macro_rules! sent {
    ($name:literal) => {
        include_str!(concat!("../../../proof/fuzz/seeds/body/", $name))
    };
}

#[tokio::test]
async fn the_bodies_of_real_clients_are_taken_and_forwarded_as_they_mean_them() {
    let (app, alice) = TestApp::with_alice().await;
    let second = app.channel("second").await;
    let song = app.song(&alice).await;
    app.accept(&song, second, "upstream-1").await;
    let clips = json!([{ "id": CLIP }]).to_string();
    app.progress(&song, second, Status::InProgress, &clips)
        .await;
    app.end(&song, second, End::Success, Some(&clips)).await;
    for (row, (action, body)) in [
        ("MUSIC", sent!("new_api_song")),
        ("MUSIC", sent!("new_api_instrumental")),
        ("LYRICS", sent!("new_api_lyrics")),
        ("MUSIC", sent!("new_api_continued")),
        ("music", sent!("nonebot_described")),
        ("music", sent!("nonebot_instrumental")),
        ("music", sent!("cometapi_instrumental")),
        ("music", sent!("cometapi_described")),
        ("music", sent!("cometapi_extended")),
        ("music", sent!("cometapi_persona")),
        ("music", sent!("cover")),
        ("music", sent!("metadata")),
        ("lyrics", sent!("empty_hook")),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = app.try_submit(&alice.key, action, body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let job = app.submit_job(2 + i64::try_from(row).expect("few")).await;
        let mut expected: Value = serde_json::from_str(body).expect("it is JSON");
        let fields = expected.as_object_mut().expect("it is an object");
        fields.remove("notify_hook");
        if body.contains(CLIP) {
            fields.insert("task_id".to_owned(), json!("upstream-1"));
            assert_eq!(job.pinned, Some(second), "{body}");
        }
        let forwarded: Value = serde_json::from_str(&job.request).expect("it is JSON");
        assert_eq!(forwarded, expected);
    }
}

#[tokio::test]
async fn a_body_that_no_song_can_be_made_from_is_told_why() {
    let (app, alice) = TestApp::with_alice().await;
    for (body, why) in [
        (sent!("hook"), "callBackUrl"),
        (sent!("wrapped"), "gpt_description_prompt"),
        (sent!("nothing"), "gpt_description_prompt"),
    ] {
        let refused = app.try_submit(&alice.key, "MUSIC", body).await;
        assert_eq!(refused.error(), "400 invalid_request", "{body}");
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    assert_eq!(app.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_gateway_polls_with_more_than_ids_and_gets_the_types_that_it_parses() {
    let (app, alice) = TestApp::with_alice().await;
    let channel = app.channel("second").await;
    let (done, new) = (app.song(&alice).await, app.song(&alice).await);
    app.accept(&done, channel, "upstream-1").await;
    let clips = r#"[{"id":"c1"}]"#;
    app.end(&done, channel, End::Success, Some(clips)).await;
    for fields in [
        json!({ "ids": [done, new], "action": "MUSIC" }),
        json!({ "ids": [done, new, "", "unknown"], "task_id": null }),
    ] {
        let fetched = app.post("/task/suno/v1/fetch").key(&alice.key);
        let fetched = fetched.json(fields.to_string()).send().await;
        let tasks = fetched.json()["data"].clone();
        assert_eq!(tasks.as_array().map(Vec::len), Some(2), "{fields}: {tasks}");
        for task in tasks.as_array().into_iter().flatten() {
            for name in ["task_id", "action", "status", "fail_reason", "progress"] {
                assert!(task[name].is_string(), "{name}: {task}");
            }
            for name in ["submit_time", "start_time", "finish_time"] {
                assert!(task[name].is_i64(), "{name}: {task}");
            }
        }
        assert!(tasks[0]["data"].is_array() && tasks[1]["data"].is_null());
        // new-api gives the money back of every task with a reason, whatever its status.
        assert_eq!(tasks[1]["fail_reason"], "");
    }
}

#[tokio::test]
async fn the_pages_of_new_api_are_served_from_another_origin() {
    let origin = "https://console.example";
    let app = TestApp::with_cors(Cors::Origins(vec![origin.to_owned()])).await;
    app.channel("main").await;
    let (alice, root) = (app.user("alice").await, app.admin("root").await);
    app.song(&alice).await;
    for (user, path, total) in [
        (
            &alice,
            "/api/task/self?p=1&page_size=10&task_id=&start_timestamp=NaN&end_timestamp=NaN",
            1,
        ),
        (
            &root,
            "/api/task/?p=1&page_size=10&channel_id=&task_id=&start_timestamp=1716134400&end_timestamp=1716195349",
            1,
        ),
        (
            &root,
            "/api/task?p=1&page_size=20&channel_id=abc&start_timestamp=1716134400&end_timestamp=1716195349",
            0,
        ),
    ] {
        let names = "authorization,cache-control,new-api-user";
        let preflight = app
            .request(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", names)
            .send()
            .await;
        assert_eq!(preflight.status, 200, "{path}");
        assert_eq!(preflight.header("access-control-allow-headers"), names);
        let page = app
            .get(path)
            .header("origin", origin)
            .header("cache-control", "no-store")
            .header("accept", "application/json, text/plain, */*")
            .user(user)
            .send()
            .await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        assert_eq!(page.header("access-control-allow-origin"), origin);
        assert_eq!(page.page().1, total, "{path}");
    }
}
