//! Continuing a clip (`docs/contract.md`, "Making music").

use shared::task::End;

use crate::app::{SONG, TestApp, TestUser};
use crate::client::TestResponse;

async fn continue_with(app: &TestApp, user: &TestUser, task_id: &str) -> TestResponse {
    let body = format!(r#"{{"continue_clip_id":"c1","continue_at":120,"task_id":{task_id}}}"#);
    app.try_submit(&user.key, "music", &body).await
}

#[tokio::test]
async fn a_continuation_goes_to_the_channel_of_its_task_under_the_upstreams_id() {
    let (app, alice) = TestApp::with_alice().await;
    let second = app.channel("second").await;
    let first = app.song(&alice).await;
    app.accept(&first, second, "upstream-1").await;
    app.end(&first, second, End::Success, Some("[]")).await;
    continue_with(&app, &alice, &format!("{first:?}"))
        .await
        .submitted();
    let job = app.submit_job(2).await;
    assert_eq!(job.pinned, Some(second));
    let request =
        r#"{"continue_at":120,"continue_clip_id":"c1","mv":"chirp-v3-0","task_id":"upstream-1"}"#;
    assert_eq!(job.request, request);
}

#[tokio::test]
async fn a_task_that_is_not_the_users_cannot_be_continued() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    let first = app.song(&alice).await;
    let main = app.channel("other").await;
    app.accept(&first, main, "upstream-1").await;
    let unknown = format!("\"task_{}\"", "a".repeat(32));
    for task_id in [
        &format!("{first:?}"),
        &unknown,
        "\"upstream-1\"",
        "\"\"",
        "null",
    ] {
        let refused = continue_with(&app, &bob, task_id).await.code();
        assert_eq!(refused, (400, "task_not_exist".to_owned()), "{task_id}");
    }
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn a_continuation_without_a_task_is_refused() {
    let (app, alice) = TestApp::with_alice().await;
    let body = r#"{"prompt":"p","continue_clip_id":"c1"}"#;
    let response = app.try_submit(&alice.key, "music", body).await;
    assert_eq!(response.code(), (400, "task_not_exist".to_owned()));
}

#[tokio::test]
async fn a_task_that_no_upstream_accepted_has_nothing_to_continue() {
    let (app, alice) = TestApp::with_alice().await;
    let first = app.song(&alice).await;
    let refused = continue_with(&app, &alice, &format!("{first:?}")).await;
    assert_eq!(refused.code(), (400, "invalid_request".to_owned()));
    assert!(refused.text().contains("task_id"));
}

#[tokio::test]
async fn a_continuation_whose_channel_is_disabled_has_no_channel() {
    let (app, alice) = TestApp::with_alice().await;
    let second = app.channel("second").await;
    let first = app.song(&alice).await;
    app.accept(&first, second, "upstream-1").await;
    app.disable_channel("second").await;
    let refused = continue_with(&app, &alice, &format!("{first:?}")).await;
    assert_eq!(refused.code(), (503, "no_available_channel".to_owned()));
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
