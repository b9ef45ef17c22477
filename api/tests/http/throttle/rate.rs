//! `API_RATE_LIMIT`, and the rate of a key of its own.

use std::time::Duration;

use axum::http::Method;
use serde_json::Value;
use shared::process::http::Timeouts;
use shared::store::accounts::{KeyChange, KeyRate, KeySet};
use shared::task::KeyId;

use super::{FETCH, OWN, app, rate, too_many};
use crate::app::{SONG, TestApp};
use crate::serving::serve;

/// How many of `times` fetches with this key are not refused as too many.
async fn fetched(app: &TestApp, key: &str, times: usize) -> usize {
    let mut taken = 0;
    for _ in 0..times {
        let response = app.get(FETCH).key(key).send().await;
        if response.status == 400 {
            taken += 1;
        } else {
            too_many(&response);
        }
    }
    taken
}

async fn set_rate(app: &TestApp, key: KeyId, rate: KeyRate) {
    let change = KeyChange {
        rate: Some(rate),
        ..KeyChange::default()
    };
    let set = app.store.set_key(key, change).await;
    assert!(matches!(set, Ok(KeySet::Done(_))), "{set:?}");
}

#[tokio::test]
async fn a_burst_beyond_ten_seconds_worth_is_429_and_passes_again_after_the_wait() {
    let (app, alice) = app(rate(2)).await;
    let bob = app.user("bob").await;
    assert_eq!(fetched(&app, &alice.key, 20).await, 20);
    let refused = app.post("/suno/submit/music").key(&alice.key).json(SONG);
    let wait = too_many(&refused.send().await);
    assert_eq!(wait, 1);
    assert_eq!(app.audited_tasks().await, 0);
    // Each credential has its own: another's, the user's other key, and the user's token.
    let (second, _) = app.key(alice.id, None).await;
    assert_eq!(fetched(&app, &bob.key, 1).await, 1);
    assert_eq!(fetched(&app, &second, 1).await, 1);
    assert_eq!(app.get(OWN).user(&alice).send().await.status, 200);
    app.clock.advance(Duration::from_secs(wait));
    app.song(&alice).await;
    assert_eq!(fetched(&app, &alice.key, 5).await, 1);
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(fetched(&app, &alice.key, 25).await, 20);
}

#[tokio::test]
async fn every_path_and_method_of_a_token_counts_in_one_bucket() {
    let (app, alice) = app(rate(1)).await;
    let root = app.admin("root").await;
    for round in 0..12 {
        for (request, is_counted) in [
            (app.get(OWN).user(&root), true),
            (app.get("/api/task/").user(&root), true),
            (app.get("/api/task/task_x").key(&root.token), true),
            (app.request(Method::HEAD, OWN).user(&root), true),
            (app.get("/api/task/self?p=x").user(&root), true),
            (app.get("/nowhere").user(&root), false),
            (app.get("/api/nowhere").user(&root), false),
            (app.post(OWN).user(&root), false),
            (app.request(Method::OPTIONS, OWN).user(&root), false),
            (app.get("/healthz").user(&root), false),
            (app.get("/readyz").user(&root), false),
            (app.get("/metrics").user(&root), false),
            (app.get("/openapi.json").user(&root), false),
            (app.request(Method::HEAD, "/healthz").user(&root), false),
        ] {
            let response = request.send().await;
            let is_refused = response.status == 429;
            assert_eq!(is_refused, is_counted && round >= 2, "{round} {response:?}");
        }
    }
    assert_eq!(app.get(OWN).user(&alice).send().await.status, 200);
}

#[tokio::test]
async fn a_key_counts_once_in_every_spelling_and_a_refusal_of_the_request_counts_too() {
    let (app, alice) = app(rate(1)).await;
    let bare = alice.key.strip_prefix("sk-").expect("it begins with sk-");
    let spellings = [
        alice.key.clone(),
        bare.to_owned(),
        format!("Bearer {bare}"),
        format!("bearer   {}", alice.key),
    ];
    for nth in 0..10 {
        let request = app.post("/suno/submit/video").body("{");
        let request = request.header("authorization", &spellings[nth % 4]);
        assert_eq!(request.send().await.error(), "400 invalid_action");
    }
    for spelling in &spellings {
        let request = app.get(FETCH).header("authorization", spelling);
        too_many(&request.send().await);
    }
}

#[tokio::test]
async fn a_key_has_a_rate_of_its_own_or_none_from_the_moment_that_it_is_set() {
    let (app, alice) = app(rate(1)).await;
    let (quick, quick_id) = app.key(alice.id, None).await;
    let (free, free_id) = app.key(alice.id, None).await;
    set_rate(&app, quick_id, KeyRate::ASecond(3)).await;
    set_rate(&app, free_id, KeyRate::ASecond(0)).await;
    for (key, expected) in [(&alice.key, 10), (&quick, 30), (&free, 200)] {
        assert_eq!(fetched(&app, key, 200).await, expected);
    }
    set_rate(&app, free_id, KeyRate::Default).await;
    assert_eq!(fetched(&app, &free, 200).await, 10);
    set_rate(&app, quick_id, KeyRate::ASecond(0)).await;
    assert_eq!(fetched(&app, &quick, 200).await, 200);
}

#[tokio::test]
async fn a_limit_of_0_is_none_but_for_keys_that_have_one() {
    let (app, alice) = app(rate(0)).await;
    let (slow, slow_id) = app.key(alice.id, None).await;
    set_rate(&app, slow_id, KeyRate::ASecond(1)).await;
    assert_eq!(fetched(&app, &alice.key, 700).await, 700);
    assert_eq!(fetched(&app, &slow, 30).await, 10);
    for _ in 0..60 {
        assert_eq!(app.get(OWN).user(&alice).send().await.status, 200);
    }
}

#[tokio::test]
async fn disabled_users_and_keys_and_those_who_are_no_administrators_count_too() {
    let (app, alice) = app(rate(1)).await;
    app.disable_user("alice").await;
    for (path, secret) in [(OWN, &alice.token), (FETCH, &alice.key)] {
        for _ in 0..10 {
            let response = app.get(path).key(secret).from("192.0.2.1").send().await;
            assert_eq!(response.status, 403);
        }
        too_many(&app.get(path).key(secret).from("192.0.2.1").send().await);
    }
    let bob = app.user("bob").await;
    for _ in 0..10 {
        let response = app.get("/api/task/").user(&bob).send().await;
        assert_eq!(response.status, 403);
    }
    too_many(&app.get("/api/task/").user(&bob).send().await);
}

#[tokio::test]
async fn a_refusal_is_in_the_shape_of_its_surface_and_in_both_languages() {
    let (app, alice) = app(rate(1)).await;
    for (path, secret) in [(OWN, &alice.token), (FETCH, &alice.key)] {
        for _ in 0..10 {
            app.get(path).key(secret).send().await;
        }
        let mut texts = Vec::new();
        for (accepted, language) in [("", "zh"), ("en", "en")] {
            let request = app.get(path).key(secret);
            let request = request.header("accept-language", accepted);
            let request = request.header("origin", "https://app.example");
            let response = request.send().await;
            too_many(&response);
            assert_eq!(response.header("content-language"), language);
            assert!(!response.header("x-request-id").is_empty());
            let exposed = response.header("access-control-expose-headers");
            assert!(exposed.contains("retry-after"), "{exposed}");
            let json = response.json();
            assert_eq!(json["code"] == Value::Null, path == OWN, "{json}");
            texts.push(json["message"].as_str().unwrap_or_default().to_owned());
        }
        assert!(texts[0].contains("过于频繁"), "{texts:?}");
        assert!(texts[1].starts_with("too many requests"), "{texts:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_outlives_refusals_also_of_submits_whose_body_was_not_read() {
    let (app, alice) = app(rate(1)).await;
    let serving = serve(app.router.clone(), Timeouts::default()).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().pool_max_idle_per_host(1).build();
    let client = client.expect("it is built");
    let url = format!("http://{}/suno/submit/music", serving.address);
    let mut statuses = Vec::new();
    for _ in 0..13 {
        let request = client.post(&url).bearer_auth(&alice.key);
        let request = request.header("content-type", "application/json");
        let body = format!("{SONG}{}", " ".repeat(200 * 1024));
        let response = request.body(body).send().await.expect("it answers");
        assert!(!response.headers().contains_key("connection"));
        statuses.push(response.status().as_u16());
        response.bytes().await.expect("it is whole");
    }
    assert_eq!(statuses, [[200; 10].as_slice(), &[429; 3]].concat());
    assert_eq!(app.audited_tasks().await, 10);
    app.clock.advance(Duration::from_secs(1));
    let request = client.post(&url).bearer_auth(&alice.key).body(SONG);
    assert_eq!(request.send().await.expect("it answers").status(), 200);
}
