//! `Idempotency-Key` (`docs/contract.md`, "Making music").

use std::time::Duration;

use crate::app::{SONG, TestApp, TestUser};
use crate::client::{TestRequest, TestResponse};

fn request<'a>(app: &'a TestApp, user: &TestUser, action: &str, key: &str) -> TestRequest<'a> {
    app.post(&format!("/suno/submit/{action}"))
        .key(&user.key)
        .header("idempotency-key", key)
}

async fn submit(app: &TestApp, user: &TestUser, key: &str) -> TestResponse {
    request(app, user, "music", key).json(SONG).send().await
}

#[tokio::test]
async fn the_same_key_twice_is_one_task_and_one_charge() {
    let (app, alice) = TestApp::with_alice().await;
    let first = submit(&app, &alice, "order 17").await.submitted();
    let charged = app.quota_of(&alice).await;
    let again = submit(&app, &alice, "order 17").await.submitted();
    assert_eq!(again, first);
    // Another of the action's names, and another of the user's keys, is still the same request.
    let (key, _) = app.key(alice.id, None).await;
    let other = TestUser {
        key,
        ..alice.clone()
    };
    let request = request(&app, &other, "SONG", "order 17");
    assert_eq!(request.json(SONG).send().await.submitted(), first);
    assert_eq!(app.quota_of(&alice).await, charged);
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn another_key_or_another_user_is_another_task() {
    let (app, alice) = TestApp::with_alice().await;
    let bob = app.user("bob").await;
    let first = submit(&app, &alice, "k").await.submitted();
    assert_ne!(submit(&app, &alice, "K").await.submitted(), first);
    assert_ne!(submit(&app, &bob, "k").await.submitted(), first);
    assert_eq!(app.audited_tasks().await, 3);
}

#[tokio::test]
async fn the_same_json_in_another_spelling_is_the_same_request() {
    let (app, alice) = TestApp::with_alice().await;
    let send = |body: &'static str| request(&app, &alice, "music", "k").json(body).send();
    let body = r#"{"prompt":"A","mv":"m","seed":1,"more":{"a":1,"b":[2]}}"#;
    let first = send(body).await.submitted();
    for same in [
        r#"{"more":{"b":[2],"a":1},"seed":1,"mv":"m","prompt":"A"}"#,
        "{ \"prompt\" : \"\\u0041\",\n \"mv\":\"m\", \"seed\":1, \"more\":{\"a\":1, \"b\":[2]} }",
        r#"{"prompt":"B","prompt":"A","mv":"m","seed":1,"more":{"a":1,"b":[2]}}"#,
    ] {
        assert_eq!(send(same).await.submitted(), first, "{same}");
    }
    for other in [
        r#"{"prompt":"a","mv":"m","seed":1,"more":{"a":1,"b":[2]}}"#,
        r#"{"prompt":"A","mv":"m","seed":1.0,"more":{"a":1,"b":[2]}}"#,
        r#"{"prompt":"A","mv":"m","seed":1,"more":{"a":1,"b":[2,2]}}"#,
        r#"{"prompt":"A","mv":"m","seed":1,"more":{"a":1,"b":[2]},"x":null}"#,
    ] {
        let error = send(other).await.error();
        assert_eq!(error, "409 idempotency_key_reused", "{other}");
    }
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_409() {
    let (app, alice) = TestApp::with_alice().await;
    submit(&app, &alice, "k").await.submitted();
    let reused = "409 idempotency_key_reused";
    let other_body = request(&app, &alice, "music", "k").json(r#"{"prompt":"q"}"#);
    assert_eq!(other_body.send().await.error(), reused);
    let other_action = request(&app, &alice, "lyrics", "k").json(SONG);
    assert_eq!(other_action.send().await.error(), reused);
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn after_24_hours_a_key_is_new_again() {
    let (app, alice) = TestApp::with_alice().await;
    let first = submit(&app, &alice, "k").await.submitted();
    app.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(submit(&app, &alice, "k").await.submitted(), first);
    app.clock.advance(Duration::from_secs(2));
    assert_ne!(submit(&app, &alice, "k").await.submitted(), first);
}

#[tokio::test]
async fn a_repeat_is_answered_though_nothing_could_be_stored_any_more() {
    let (app, alice) = TestApp::with_alice().await;
    let first = submit(&app, &alice, "k").await.submitted();
    app.disable_channel("main").await;
    assert_eq!(submit(&app, &alice, "k").await.submitted(), first);
}

#[tokio::test]
async fn a_refused_submit_does_not_use_its_key_up() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    assert_eq!(submit(&app, &alice, "k").await.status, 503);
    app.channel("main").await;
    submit(&app, &alice, "k").await.submitted();
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn concurrent_twins_are_one_task_one_charge_and_one_message() {
    let (app, alice) = TestApp::with_alice().await;
    let twins = (0..16).map(|_| submit(&app, &alice, "k"));
    let responses = futures_util::future::join_all(twins).await;
    let first = responses[0].submitted();
    for response in &responses {
        assert_eq!(response.submitted(), first);
    }
    assert_eq!(app.quota_of(&alice).await, 100_000_000 - 150_000);
    assert_eq!(app.audited_tasks().await, 1);
    app.publisher.stop().await;
    assert_eq!(app.queued().await, 1);
}

#[tokio::test]
async fn a_key_that_is_not_printable_or_too_long_is_refused() {
    let (app, alice) = TestApp::with_alice().await;
    let too_long = "k".repeat(256);
    for key in ["", "a\tb", "键", too_long.as_str()] {
        let refused = submit(&app, &alice, key).await.error();
        assert_eq!(refused, "400 invalid_request", "{key:?}");
    }
    let longest = "~".repeat(255);
    submit(&app, &alice, &longest).await.submitted();
}

#[tokio::test]
async fn a_used_key_answers_though_what_the_request_names_is_not_found_any_more() {
    let (app, alice) = TestApp::with_alice().await;
    submit(&app, &alice, "k").await.submitted();
    let unknown = format!(r#"{{"prompt":"x","task_id":"task_{}"}}"#, "a".repeat(32));
    // Nobody tells the address of a name that is as long as this.
    let host = format!("https://{}.example.com/a.mp3", "a".repeat(64));
    let upload = format!(r#"{{"url":"{host}"}}"#);
    for (action, body, fresh) in [
        ("music", unknown, "400 task_not_exist"),
        ("upload", upload, "400 invalid_request"),
    ] {
        let send = |key| request(&app, &alice, action, key).json(body.clone()).send();
        assert_eq!(send("other").await.error(), fresh);
        assert_eq!(send("k").await.error(), "409 idempotency_key_reused");
    }
}
