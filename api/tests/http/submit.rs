//! `POST /suno/submit/{action}` (`docs/contract.md`, "Making music").

use shared::broker::Message;
use shared::store::accounts::Role;
use shared::task::{AtTurn, RowId, Turn};

use crate::app::{SONG, TestApp};
use crate::golden::{assert_golden, pretty};

#[tokio::test]
async fn a_submit_responds_with_the_tasks_id() {
    let (app, alice) = TestApp::with_alice().await;
    let request = app.post("/suno/submit/music").key(&alice.key);
    let response = request.json(r#"{"prompt":"rain"}"#).send().await;
    assert_eq!(response.status, 200);
    assert_golden("submit.json", &pretty(response.text()));
    let rest = response.submitted();
    let rest = rest.strip_prefix("task_").expect("it starts with task_");
    assert!(rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
}

#[tokio::test]
async fn actions_go_by_any_of_their_names_in_any_case() {
    let (app, alice) = TestApp::with_alice().await;
    for (action, price) in [
        ("music", 150_000),
        ("song", 150_000),
        ("MUSIC", 150_000),
        ("Song", 150_000),
        ("lyrics", 5_000),
        ("LYRICS", 5_000),
    ] {
        let before = app.quota_of(&alice).await;
        app.submit(&alice, action, SONG).await;
        assert_eq!(before - app.quota_of(&alice).await, price, "{action}");
    }
    assert_eq!(app.audited_tasks().await, 6);
}

#[tokio::test]
async fn every_spelling_of_a_path_is_served() {
    let (app, alice) = TestApp::with_alice().await;
    for path in [
        "/suno/submit/MUSIC",
        "/suno/submit/music/",
        "/Suno/Submit/Music/",
        "//suno/submit/MUSIC",
        "/task/suno/v1/submit/music",
    ] {
        let response = app.post(path).key(&alice.key).json(SONG).send().await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        let name = response.submitted();
        for path in ["/suno/fetch/", "/SUNO/fetch/", "/task/suno/v1/fetch/"] {
            let fetched = app
                .get(&format!("{path}{name}/"))
                .key(&alice.key)
                .send()
                .await;
            assert_eq!(fetched.status, 200, "{path}: {}", fetched.text());
            let many = serde_json::json!({ "ids": [name] }).to_string();
            let many = app.post(path).key(&alice.key).json(many).send().await;
            assert_eq!(many.json()["data"][0]["task_id"], name, "{path}");
        }
    }
}

#[tokio::test]
async fn a_song_starts_from_anything_that_says_something() {
    let (app, alice) = TestApp::with_alice().await;
    for body in [
        r#"{"prompt":"","tags":"heavy metal","title":"Beijing","make_instrumental":true}"#,
        r#"{"tags":"heavy metal"}"#,
        r#"{"title":"Beijing"}"#,
        r#"{"gpt_description_prompt":"a slow blues"}"#,
    ] {
        let response = app
            .post("/suno/submit/music")
            .key(&alice.key)
            .json(body)
            .send()
            .await;
        assert_eq!(response.status, 200, "{body}: {}", response.text());
    }
    let body = r#"{"prompt":" ","mv":"chirp-v4","make_instrumental":true}"#;
    let refused = app
        .post("/suno/submit/music")
        .key(&alice.key)
        .json(body)
        .send()
        .await;
    assert_eq!(refused.error(), "400 invalid_request");
}

#[tokio::test]
async fn the_address_of_a_webhook_is_refused_and_never_forwarded() {
    let (app, alice) = TestApp::with_alice().await;
    let mut row = 0;
    for name in [
        "notify_hook",
        "callBackUrl",
        "callback_url",
        "webhook_url",
        "notifyHook",
    ] {
        for value in [r#""https://example.com/hook""#, "7", "[]"] {
            let body = format!(r#"{{"prompt":"p","{name}":{value}}}"#);
            let refused = app
                .post("/suno/submit/music")
                .key(&alice.key)
                .json(body)
                .send()
                .await;
            assert_eq!(refused.error(), "400 invalid_request", "{name}: {value}");
            assert!(refused.text().contains(name), "{}", refused.text());
        }
        for value in [r#""""#, "null"] {
            let body = format!(r#"{{"prompt":"p","{name}":{value}}}"#);
            let taken = app
                .post("/suno/submit/music")
                .key(&alice.key)
                .json(body)
                .send()
                .await;
            assert_eq!(taken.status, 200, "{name}: {value}");
            row += 1;
            let forwarded = app.submit_job(row).await.request;
            assert_eq!(forwarded, r#"{"mv":"chirp-v3-0","prompt":"p"}"#);
        }
    }
}

#[tokio::test]
async fn an_action_that_is_none_is_refused() {
    let (app, alice) = TestApp::with_alice().await;
    for action in ["video", "musics", "%6Dusic2", "%FF", "%20music"] {
        let response = app.try_submit(&alice.key, action, SONG).await;
        assert_eq!(response.error(), "400 invalid_action", "{action}");
    }
    assert_eq!(app.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_stored_task_is_published() {
    let (app, alice) = TestApp::with_alice().await;
    let mut submits = app.submits().await;
    app.song(&alice).await;
    let delivery = submits.next().await.expect("the queue is open");
    let first = AtTurn {
        row: RowId(1),
        turn: Turn::FIRST,
    };
    assert_eq!(delivery.message, Message::Submit(first));
    delivery.ack();
}

#[tokio::test]
async fn what_is_stored_is_what_the_upstream_gets() {
    let (app, alice) = TestApp::with_alice().await;
    let body = r#"{"prompt":"p","future_field":{"x":1.0e3,"y":[1, 2]},"make_instrumental":true,"continue_at":12.50}"#;
    app.submit(&alice, "music", body).await;
    let job = app.submit_job(1).await;
    let request = r#"{"continue_at":12.50,"future_field":{"x":1.0e3,"y":[1, 2]},"make_instrumental":true,"mv":"chirp-v3-0","prompt":"p"}"#;
    assert_eq!(job.request, request);
    assert_eq!(job.deadline.seconds(), 1_716_191_749 + 30 * 60);
    assert_eq!(job.pinned, None);
}

#[tokio::test]
async fn json_by_any_of_its_media_types_is_taken() {
    let (app, alice) = TestApp::with_alice().await;
    for media_type in ["application/json; charset=utf-8", "application/x+json"] {
        let request = app.post("/suno/submit/music").key(&alice.key);
        let request = request.header("content-type", media_type);
        request.body(SONG).send().await.submitted();
    }
}

#[tokio::test]
async fn a_body_of_256_kib_is_taken_and_a_larger_one_is_413() {
    let (app, alice) = TestApp::with_alice().await;
    let of_length = |length: usize| {
        let frame = r#"{"prompt":""}"#.len();
        format!(r#"{{"prompt":"{}"}}"#, "a".repeat(length - frame))
    };
    let post = || app.post("/suno/submit/lyrics").key(&alice.key);
    let most = post().json(of_length(256 * 1024)).send().await;
    most.submitted();
    let more = post().json(of_length(256 * 1024 + 1)).send().await;
    assert_eq!(more.error(), "413 invalid_request");
}

#[tokio::test]
async fn without_enough_quota_nothing_is_taken() {
    let (app, _) = TestApp::with_alice().await;
    let poor = app.user_with("poor", Role::User, 149_999).await;
    let response = app.try_submit(&poor.key, "music", SONG).await;
    assert_eq!(response.error(), "403 quota_not_enough");
    assert_eq!(app.quota_of(&poor).await, 149_999);
    assert_eq!(app.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_key_with_a_limit_spends_up_to_it_and_no_further() {
    let (app, alice) = TestApp::with_alice().await;
    let (key, _) = app.key(alice.id, Some(10_000)).await;
    let submit = || app.try_submit(&key, "lyrics", SONG);
    submit().await.submitted();
    submit().await.submitted();
    let before = app.quota_of(&alice).await;
    assert_eq!(submit().await.error(), "403 quota_not_enough");
    assert_eq!(app.quota_of(&alice).await, before);
    assert_eq!(app.audited_tasks().await, 2);
}

#[tokio::test]
async fn many_at_once_never_spend_more_than_there_is() {
    let (app, _) = TestApp::with_alice().await;
    let few = app.user_with("few", Role::User, 5 * 150_000).await;
    let submits = (0..12).map(|_| app.try_submit(&few.key, "music", SONG));
    let responses = futures_util::future::join_all(submits).await;
    let stored = responses.iter().filter(|response| response.status == 200);
    assert_eq!(stored.count(), 5);
    assert_eq!(app.quota_of(&few).await, 0);
    assert_eq!(app.audited_tasks().await, 5);
}

#[tokio::test]
async fn without_a_channel_nothing_is_taken() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let submit = || app.try_submit(&alice.key, "music", SONG);
    let no_channel = "503 no_available_channel";
    assert_eq!(submit().await.error(), no_channel);
    app.channel("main").await;
    app.disable_channel("main").await;
    assert_eq!(submit().await.error(), no_channel);
    assert_eq!(app.quota_of(&alice).await, 100_000_000);
    assert_eq!(app.audited_tasks().await, 0);
}

#[tokio::test]
async fn a_database_that_is_away_is_busy_and_one_that_is_broken_an_internal_error() {
    let (app, alice) = TestApp::with_alice().await;
    app.break_with("DROP TABLE ledger").await;
    let response = app.try_submit(&alice.key, "music", SONG).await;
    assert_eq!(response.error(), "500 internal_error");
    app.store.close().await;
    let response = app.try_submit(&alice.key, "music", SONG).await;
    assert_eq!(response.error(), "503 busy");
    assert_eq!(response.header("retry-after"), "1");
}

#[tokio::test]
async fn a_broker_that_is_away_fails_no_submit() {
    let (app, alice) = TestApp::with_alice().await;
    shared::broker::Broker::close(&*app.broker).await;
    app.song(&alice).await;
    app.publisher.stop().await;
    app.song(&alice).await;
    assert_eq!(app.audited_tasks().await, 2);
}
