//! Every error, in its surface's shape and in both languages.

use std::fmt::Write as _;

use axum::http::Method;

use crate::client::{Answer, Ask};
use crate::golden::assert_golden;
use crate::world::World;

/// Writes down what a request is answered in Chinese and in English.
async fn both(out: &mut String, title: &str, ask: impl Fn() -> Ask<'static>) {
    let chinese = ask().send().await;
    let english = ask()
        .header("accept-language", "en-GB,en;q=0.9")
        .send()
        .await;
    assert_eq!(chinese.status, english.status, "{title}");
    assert_eq!(chinese.header("content-language"), "zh", "{title}");
    assert_eq!(english.header("content-language"), "en", "{title}");
    for answer in [&chinese, &english] {
        assert_eq!(answer.header("content-type"), "application/json", "{title}");
        assert!(!answer.header("x-request-id").is_empty(), "{title}");
    }
    let said = |answer: &Answer| answer.text().to_owned();
    let lines = writeln!(
        out,
        "{title}\n  {} {}\n  {} {}",
        chinese.status,
        said(&chinese),
        english.status,
        said(&english)
    );
    lines.expect("a string takes all");
}

/// A world that outlives the test, for requests that are made again and again.
async fn world() -> (&'static World, crate::world::Person) {
    let (world, alice) = World::with_alice().await;
    (Box::leak(Box::new(world)), alice)
}

#[tokio::test]
async fn every_bad_parameter_is_named_in_both_languages() {
    let (world, _) = world().await;
    let root = world.admin("root").await;
    let mut out = String::new();
    for query in [
        "p=x",
        "p=1.5",
        "page_size=ten",
        "start_timestamp=NaN",
        "end_timestamp=2024-05-20",
        "channel_id=main",
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
        both(&mut out, &path, || world.get(&path).user(&root)).await;
    }
    assert_golden("bad_parameters.txt", &out);
}

#[tokio::test]
async fn every_bad_body_is_explained_in_both_languages() {
    let (world, alice) = world().await;
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
        let ask = || world.post(&path).key(&alice.key).json(body);
        both(&mut out, &format!("{path} {body:?}"), ask).await;
    }
    for body in [
        "{}",
        r#"{"ids":"task_x"}"#,
        r#"{"ids":[1]}"#,
        "[]",
        "{\"ids\":",
    ] {
        let ask = || world.post("/suno/fetch").key(&alice.key).json(body);
        both(&mut out, &format!("/suno/fetch {body:?}"), ask).await;
    }
    let many = serde_json::json!({ "ids": vec![""; 1_001] }).to_string();
    let ask = || world.post("/suno/fetch").key(&alice.key).json(many.clone());
    both(&mut out, "/suno/fetch of 1,001 ids", ask).await;
    assert_golden("bad_bodies.txt", &out);
}

#[tokio::test]
async fn every_other_refusal_is_explained_in_both_languages() {
    let (world, alice) = world().await;
    let mut out = String::new();
    let song = "/suno/submit/music";
    let good = r#"{"prompt":"p"}"#;
    let number = alice.id.to_string();

    let own = || world.get("/api/task/self");
    both(&mut out, "own: no token", own).await;
    both(&mut out, "own: unknown token", || own().key("x")).await;
    both(&mut out, "own: no number", || own().key(&alice.token)).await;
    let other = || own().key(&alice.token).header("new-api-user", "99");
    both(&mut out, "own: another's number", other).await;
    let all = || world.get("/api/task/").user(&alice);
    both(&mut out, "all: no administrator", all).await;

    both(&mut out, "submit: no key", || world.post(song)).await;
    both(&mut out, "submit: unknown key", || {
        world.post(song).key("x")
    })
    .await;
    let post = || world.post(song).key(&alice.key);
    both(&mut out, "submit: no media type", || post().body(good)).await;
    let form = || post().header("content-type", "application/x-www-form-urlencoded");
    both(&mut out, "submit: a form", || form().body("prompt=p")).await;
    let large = || post().json(vec![b' '; 300 * 1024]);
    both(&mut out, "submit: too large", large).await;
    let keyed = |key: &str| post().header("idempotency-key", key);
    both(&mut out, "submit: bad idempotency key", || {
        keyed("a\tb").json(good)
    })
    .await;
    keyed("k").json(good).send().await.submitted();
    let reused = || keyed("k").json(r#"{"prompt":"q"}"#);
    both(&mut out, "submit: idempotency key reused", reused).await;

    let first = world.submit(&alice, "music", good).await;
    let continued = format!(r#"{{"continue_clip_id":"c","task_id":"{first}"}}"#);
    let continued = || post().json(continued.clone());
    both(&mut out, "submit: nothing to continue", continued).await;
    let fetch = || world.get("/suno/fetch/x").key(&alice.key);
    both(&mut out, "fetch: no such task", fetch).await;

    let poor = world
        .person("poor", shared::store::accounts::Role::User, 0)
        .await;
    let unpaid = || world.post(song).key(&poor.key).json(good);
    both(&mut out, "submit: no quota", unpaid).await;
    world
        .store
        .enable_channel("main", false)
        .await
        .expect("it works");
    both(&mut out, "submit: no channel", || post().json(good)).await;

    world
        .store
        .enable_key(alice.key_id, false)
        .await
        .expect("it works");
    both(&mut out, "submit: key disabled", || post().json(good)).await;
    world
        .store
        .enable_user("alice", false)
        .await
        .expect("it works");
    both(&mut out, "submit: user disabled", || post().json(good)).await;
    let own = || own().key(&alice.token).header("new-api-user", &number);
    both(&mut out, "own: user disabled", own).await;

    world.store.close().await;
    both(&mut out, "submit: database away", || post().json(good)).await;
    both(&mut out, "own: database away", own).await;
    assert_golden("refusals.txt", &out);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_have_the_shape_of_their_surface() {
    let (world, _) = world().await;
    let mut out = String::new();
    for path in [
        "/",
        "/api",
        "/api/task/selfish",
        "/suno",
        "/suno/submit",
        "/suno/submit/a/b",
    ] {
        both(&mut out, &format!("GET {path}"), || world.get(path)).await;
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
        both(&mut out, &title, || world.ask(method.clone(), path)).await;
        let allow = world.ask(method.clone(), path).send().await;
        writeln!(out, "  Allow: {}", allow.header("allow")).expect("a string takes all");
    }
    assert_golden("not_served.txt", &out);
}
