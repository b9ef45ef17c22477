//! Continuing a clip (`docs/contract.md`, "Making music").

use serde_json::{Value, json};
use shared::task::{ChannelId, End, Status};

use crate::app::{SONG, TestApp, TestUser};
use crate::client::TestResponse;

/// Submits a continuation of the task that `task_id` names, a JSON value.
async fn continue_with(app: &TestApp, user: &TestUser, task_id: impl Into<Value>) -> TestResponse {
    let body = json!({ "continue_clip_id": "c1", "continue_at": 120, "task_id": task_id.into() });
    let body = body.to_string();
    app.try_submit(&user.key, "music", &body).await
}

/// The app, its user `alice`, a song of hers that the channel `second` accepted, and that channel.
async fn with_accepted_song() -> (TestApp, TestUser, String, ChannelId) {
    let (app, alice) = TestApp::with_alice().await;
    let second = app.channel("second").await;
    let song = app.song(&alice).await;
    app.accept(&song, second, "upstream-1").await;
    (app, alice, song, second)
}

#[tokio::test]
async fn a_continuation_goes_to_the_channel_of_its_task_under_the_upstreams_id() {
    let (app, alice, song, second) = with_accepted_song().await;
    app.end(&song, second, End::Success, Some("[]")).await;
    continue_with(&app, &alice, song).await.submitted();
    let job = app.submit_job(2).await;
    assert_eq!(job.pinned, Some(second));
    let request =
        r#"{"continue_at":120,"continue_clip_id":"c1","mv":"chirp-v3-0","task_id":"upstream-1"}"#;
    assert_eq!(job.request, request);
}

#[tokio::test]
async fn a_task_that_is_not_the_users_cannot_be_continued() {
    let (app, _, song, _) = with_accepted_song().await;
    let bob = app.user("bob").await;
    let unknown = format!("task_{}", "a".repeat(32));
    for task_id in [
        json!(song),
        json!(unknown),
        json!("upstream-1"),
        json!(""),
        json!(null),
    ] {
        let refused = continue_with(&app, &bob, task_id.clone()).await;
        assert_eq!(refused.error(), "400 task_not_exist", "{task_id}");
    }
    assert_eq!(app.audited_tasks().await, 1);
}

/// Submits a song from these fields.
async fn from(app: &TestApp, user: &TestUser, fields: Value) -> TestResponse {
    app.try_submit(&user.key, "music", &fields.to_string())
        .await
}

#[tokio::test]
async fn a_clip_is_known_by_its_id_while_it_streams_and_when_it_is_complete() {
    let (app, alice, song, second) = with_accepted_song().await;
    let mut row = 1;
    for (streams, clip) in [(true, "c1"), (false, "c2")] {
        let clips = json!([{"id": "c1"}, {"id": clip}]).to_string();
        if streams {
            app.progress(&song, second, Status::InProgress, &clips)
                .await;
        } else {
            app.end(&song, second, End::Success, Some(&clips)).await;
        }
        for fields in [
            json!({"continue_clip_id": clip, "continue_at": 1}),
            json!({"cover_clip_id": format!(" {clip} "), "task": "cover"}),
            json!({"clip_id": clip, "continue_clip_id": null, "task_id": ""}),
            // As a gateway in front of us sends it: with its own name of the task.
            json!({"continue_clip_id": clip, "task_id": format!("task_{}", "g".repeat(32))}),
            json!({"continue_clip_id": clip, "task_id": "7c0d0c2e-6f0b-4a3e-9d1c-2f3a5b6c7d8e"}),
        ] {
            from(&app, &alice, fields.clone()).await.submitted();
            row += 1;
            let job = app.submit_job(row).await;
            assert_eq!(job.pinned, Some(second), "{fields}");
            let request: Value = serde_json::from_str(&job.request).expect("it is JSON");
            assert_eq!(request["task_id"], "upstream-1", "{fields}");
        }
    }
}

#[tokio::test]
async fn a_clip_that_none_of_ones_tasks_made_is_refused() {
    let (app, alice, song, second) = with_accepted_song().await;
    let bob = app.user("bob").await;
    app.end(&song, second, End::Success, Some(r#"[{"id":"c1"}]"#))
        .await;
    for (user, fields) in [
        (&bob, json!({"continue_clip_id": "c1"})),
        (&bob, json!({"continue_clip_id": "c1", "task_id": song})),
        (&alice, json!({"prompt": "p", "continue_clip_id": "c2"})),
        (
            &alice,
            json!({"continue_clip_id": "c1", "cover_clip_id": "c2"}),
        ),
        (&alice, json!({"prompt": "p", "task_id": "7c0d0c2e"})),
    ] {
        let refused = from(&app, user, fields.clone()).await;
        assert_eq!(refused.error(), "400 task_not_exist", "{fields}");
    }
    let many = (0..17).map(|n| (format!("{n}_clip_id"), json!(n.to_string())));
    let refused = from(&app, &alice, Value::Object(many.collect())).await;
    assert_eq!(refused.error(), "400 invalid_request");
}

#[tokio::test]
async fn clips_of_two_channels_make_no_request() {
    let (app, alice, song, second) = with_accepted_song().await;
    app.end(
        &song,
        second,
        End::Success,
        Some(r#"[{"id":"c1"},{"id":"c2"}]"#),
    )
    .await;
    let third = app.channel("third").await;
    let other = app.song(&alice).await;
    app.accept(&other, third, "upstream-2").await;
    app.end(&other, third, End::Success, Some(r#"[{"id":"c3"}]"#))
        .await;
    let fields = |clip: &str| json!({"continue_clip_id": "c1", "artist_clip_id": clip});
    from(&app, &alice, fields("c2")).await.submitted();
    let refused = from(&app, &alice, fields("c3")).await;
    assert_eq!(refused.error(), "400 invalid_request");
    assert!(refused.text().contains("同一渠道"), "{}", refused.text());
}

#[tokio::test]
async fn a_task_that_no_upstream_accepted_has_nothing_to_continue() {
    let (app, alice) = TestApp::with_alice().await;
    let song = app.song(&alice).await;
    let refused = continue_with(&app, &alice, song).await;
    assert_eq!(refused.error(), "400 invalid_request");
    assert!(refused.text().contains("task_id"));
}

#[tokio::test]
async fn a_continuation_whose_channel_is_disabled_has_no_channel() {
    let (app, alice, song, _) = with_accepted_song().await;
    app.disable_channel("second").await;
    let refused = continue_with(&app, &alice, song).await;
    assert_eq!(refused.error(), "503 no_available_channel");
}

#[tokio::test]
async fn a_task_id_is_never_forwarded_as_it_came() {
    let (app, alice) = TestApp::with_alice().await;
    let main = app.channel("other").await;
    let first = app.submit(&alice, "lyrics", SONG).await;
    app.accept(&first, main, "upstream-1").await;
    let body = format!(r#"{{"prompt":"p","task_id":"{first}"}}"#);
    app.submit(&alice, "lyrics", &body).await;
    let job = app.submit_job(2).await;
    assert_eq!(job.request, r#"{"prompt":"p","task_id":"upstream-1"}"#);
}
