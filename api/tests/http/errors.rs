//! Every error, in its surface's shape and in both languages.

use std::fmt::Write as _;

use axum::http::Method;
use shared::store::accounts::Role;

use crate::app::{SONG, TestApp, TestUser};
use crate::client::TestRequest;
use crate::golden::assert_golden;

/// Appends the responses to a request in Chinese and in English.
async fn both(out: &mut String, title: &str, request: impl Fn() -> TestRequest<'static>) {
    let chinese = request().send().await;
    let english = request()
        .header("accept-language", "en-GB,en;q=0.9")
        .send()
        .await;
    assert_eq!(chinese.status, english.status, "{title}");
    assert_eq!(chinese.header("content-language"), "zh", "{title}");
    assert_eq!(english.header("content-language"), "en", "{title}");
    writeln!(out, "{title}").expect("a string takes all");
    for response in [&chinese, &english] {
        let media_type = response.header("content-type");
        assert_eq!(media_type, "application/json", "{title}");
        assert!(!response.header("x-request-id").is_empty(), "{title}");
        let (status, text) = (response.status, response.text());
        writeln!(out, "  {status} {text}").expect("a string takes all");
    }
}

/// An app that is never dropped, so that closures can make requests.
async fn app() -> (&'static TestApp, TestUser) {
    let (app, alice) = TestApp::with_alice().await;
    (Box::leak(Box::new(app)), alice)
}

#[tokio::test]
async fn every_bad_parameter_is_named_in_both_languages() {
    let (app, _) = app().await;
    let root = app.admin("root").await;
    let mut out = String::new();
    for query in [
        "p=x",
        "p=1.5",
        "page_size=ten",
        "start_timestamp=yesterday",
        "start_timestamp=1716191749000",
        "end_timestamp=2024-05-20",
        "user_id=alice",
        "status=DONE",
        "status=success",
        "platform=a%00",
        "task_id=%00",
        "action=%00",
        "status=%00",
        "task_id=%ff",
        "task_id=%zz",
        "p=%",
        "unknown=%e6",
    ] {
        let path = format!("/api/task/?{query}");
        both(&mut out, &path, || app.get(&path).user(&root)).await;
    }
    assert_golden("bad_parameters.txt", &out);
}

#[tokio::test]
async fn every_bad_body_is_explained_in_both_languages() {
    let (app, alice) = app().await;
    let mut out = String::new();
    for (action, body) in [
        ("music", ""),
        ("music", "{"),
        ("music", "{\n\"prompt\": nothing}"),
        ("music", "[]"),
        ("music", "\"prompt\""),
        ("music", "{}"),
        ("lyrics", r#"{"title":"t"}"#),
        ("music", r#"{"prompt":1}"#),
        ("music", r#"{"prompt":"a\u0000b"}"#),
        ("music", r#"{"prompt":"a\ud83c"}"#),
        ("music", r#"{"prompt":"p","seed":{"x":"a\u0000b"}}"#),
        (
            "music",
            r#"{"prompt":"p","notify_hook":"https://example.com"}"#,
        ),
        ("music", r#"{"prompt":"p","tags":["pop"]}"#),
        ("music", r#"{"prompt":"p","title":{}}"#),
        ("music", r#"{"prompt":"p","mv":3}"#),
        ("music", r#"{"gpt_description_prompt":false}"#),
        ("music", r#"{"continue_clip_id":7}"#),
        ("music", r#"{"prompt":"p","task_id":7}"#),
        ("music", r#"{"prompt":"p","make_instrumental":"yes"}"#),
        ("music", r#"{"prompt":"p","continue_at":"120"}"#),
        ("music", r#"{"prompt":"p","continue_at":1e999}"#),
        ("music", r#"{"continue_clip_id":"c"}"#),
        ("video", r#"{"prompt":"p"}"#),
    ] {
        let path = format!("/suno/submit/{action}");
        let request = || app.post(&path).key(&alice.key).json(body);
        both(&mut out, &format!("{path} {body:?}"), request).await;
    }
    for body in [
        "{}",
        r#"{"ids":"task_x"}"#,
        r#"{"ids":[1]}"#,
        "[]",
        "{\"ids\":",
    ] {
        let request = || app.post("/suno/fetch").key(&alice.key).json(body);
        both(&mut out, &format!("/suno/fetch {body:?}"), request).await;
    }
    let deep = format!(
        r#"{{"prompt":"p","x":{}{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let request = || {
        app.post("/suno/submit/music")
            .key(&alice.key)
            .json(deep.clone())
    };
    both(&mut out, "/suno/submit/music of 65 levels", request).await;
    let many = serde_json::json!({ "ids": vec![""; 1_001] }).to_string();
    let request = || app.post("/suno/fetch").key(&alice.key).json(many.clone());
    both(&mut out, "/suno/fetch of 1,001 ids", request).await;
    assert_golden("bad_bodies.txt", &out);
}

#[tokio::test]
async fn every_other_refusal_is_explained_in_both_languages() {
    let (app, alice) = app().await;
    let mut out = String::new();
    let song = "/suno/submit/music";
    let number = alice.id.to_string();

    let own = || app.get("/api/task/self");
    both(&mut out, "own: no token", own).await;
    both(&mut out, "own: unknown token", || own().key("x")).await;
    both(&mut out, "own: an API key", || own().key(&alice.key)).await;
    let odd = || own().key(&alice.token).header("new-api-user", "x");
    both(&mut out, "own: no number", odd).await;
    let other = || own().key(&alice.token).header("new-api-user", "99");
    both(&mut out, "own: another's number", other).await;
    let all = || app.get("/api/task/").user(&alice);
    both(&mut out, "all: no administrator", all).await;

    both(&mut out, "submit: no key", || app.post(song)).await;
    both(&mut out, "submit: unknown key", || app.post(song).key("x")).await;
    let token = || app.post(song).key(&alice.token);
    both(&mut out, "submit: an access token", token).await;
    let post = || app.post(song).key(&alice.key);
    let gbk = || post().header("content-type", "application/json; charset=gbk");
    both(&mut out, "submit: another charset", || gbk().body(SONG)).await;
    let brotli = || post().header("content-encoding", "br").json(SONG);
    both(&mut out, "submit: brotli", brotli).await;
    let no_gzip = || post().header("content-encoding", "gzip").json(SONG);
    both(&mut out, "submit: no gzip data", no_gzip).await;
    let form = || post().header("content-type", "application/x-www-form-urlencoded");
    both(&mut out, "submit: a form", || form().body("prompt=p")).await;
    let large = || post().json(vec![b' '; 300 * 1024]);
    both(&mut out, "submit: too large", large).await;
    let keyed = |key: &str| post().header("idempotency-key", key);
    let bad_key = || keyed("a\tb").json(SONG);
    both(&mut out, "submit: bad idempotency key", bad_key).await;
    keyed("k").json(SONG).send().await.submitted();
    let reused = || keyed("k").json(r#"{"prompt":"q"}"#);
    both(&mut out, "submit: idempotency key reused", reused).await;

    let first = app.submit(&alice, "music", SONG).await;
    let continued = format!(r#"{{"continue_clip_id":"c","task_id":"{first}"}}"#);
    let continued = || post().json(continued.clone());
    both(&mut out, "submit: nothing to continue", continued).await;
    let fetch = || app.get("/suno/fetch/x").key(&alice.key);
    both(&mut out, "fetch: no such task", fetch).await;

    let others = app.user("bob").await;
    let others = app.song(&others).await;
    for (title, task) in [
        ("a malformed id", "x"),
        ("an unknown task", "task_00000000000000000000000000000000"),
        ("another user's task", &others),
    ] {
        let path = format!("/api/task/{task}");
        let detail = || app.get(&path).user(&alice);
        both(&mut out, &format!("detail: {title}"), detail).await;
    }

    let poor = app.user_with("poor", Role::User, 0).await;
    let unpaid = || app.post(song).key(&poor.key).json(SONG);
    both(&mut out, "submit: no quota", unpaid).await;
    app.disable_channel("main").await;
    both(&mut out, "submit: no channel", || post().json(SONG)).await;

    let (expired, _) = app
        .key_with(alice.id, |key| key.expires_at = Some(app.now()))
        .await;
    let expired = || app.post(song).key(&expired).json(SONG);
    both(&mut out, "submit: key expired", expired).await;
    app.disable_key(&alice).await;
    both(&mut out, "submit: key disabled", || post().json(SONG)).await;
    app.disable_user("alice").await;
    both(&mut out, "submit: user disabled", || post().json(SONG)).await;
    let own = || own().key(&alice.token).header("new-api-user", &number);
    both(&mut out, "own: user disabled", own).await;

    app.break_with("DROP TABLE users").await;
    both(&mut out, "submit: database broken", || post().json(SONG)).await;
    both(&mut out, "own: database broken", own).await;
    app.store.close().await;
    both(&mut out, "submit: database away", || post().json(SONG)).await;
    both(&mut out, "own: database away", own).await;
    assert_golden("refusals.txt", &out);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_have_the_shape_of_their_surface() {
    let (app, _) = app().await;
    let mut out = String::new();
    for path in [
        "/",
        "/api",
        "/api/task/self/x",
        "/suno",
        "/suno/submit",
        "/suno/submit/a/b",
    ] {
        both(&mut out, &format!("GET {path}"), || app.get(path)).await;
    }
    for (method, path) in [
        (Method::POST, "/api/task/self"),
        (Method::DELETE, "/api/task/"),
        (Method::GET, "/suno/submit/music"),
        (Method::POST, "/suno/fetch/task_x"),
        (Method::GET, "/suno/fetch"),
        (Method::OPTIONS, "/suno/fetch"),
        (Method::POST, "/healthz"),
    ] {
        let title = format!("{method} {path}");
        both(&mut out, &title, || app.request(method.clone(), path)).await;
        let allow = app.request(method.clone(), path).send().await;
        writeln!(out, "  Allow: {}", allow.header("allow")).expect("a string takes all");
    }
    assert_golden("not_served.txt", &out);
}
