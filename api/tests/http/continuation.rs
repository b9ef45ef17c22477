//! Continuing a clip (`docs/contract.md`, "Making music").

use serde_json::{Value, json};
use shared::task::{ChannelId, End};

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

#[tokio::test]
async fn a_continuation_without_a_task_is_refused() {
    let (app, alice) = TestApp::with_alice().await;
    let body = r#"{"prompt":"p","continue_clip_id":"c1"}"#;
    let response = app.try_submit(&alice.key, "music", body).await;
    assert_eq!(response.error(), "400 task_not_exist");
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
