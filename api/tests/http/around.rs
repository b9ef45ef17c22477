//! What stands around every response: ids, compression, languages.

use std::io::Read as _;

use axum::http::Method;

use crate::app::TestApp;
use crate::log::Log;

#[tokio::test]
async fn a_sane_request_id_of_the_callers_comes_back_on_every_answer() {
    let (app, alice) = TestApp::with_alice().await;
    let longest = "x".repeat(128);
    for id in ["a", "5f0c-9A_b.1", longest.as_str()] {
        for request in [
            app.get("/api/task/self").user(&alice),
            app.get("/api/task/self"),
            app.get("/nowhere"),
            app.request(Method::PUT, "/suno/fetch"),
            app.get("/healthz"),
        ] {
            let response = request.header("x-request-id", id).send().await;
            assert_eq!(response.header("x-request-id"), id);
        }
    }
}

#[tokio::test]
async fn any_other_request_id_is_replaced_by_a_new_one() {
    let app = TestApp::new().await;
    let too_long = "x".repeat(129);
    let mut seen = std::collections::HashSet::new();
    for id in ["", "a b", "<script>", "编号", too_long.as_str()] {
        let response = app.get("/healthz").header("x-request-id", id).send().await;
        let new = response.header("x-request-id").to_owned();
        assert_ne!(new, id);
        assert!(new.len() == 24 && new.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(seen.insert(new), "ids are not given twice");
    }
}

#[tokio::test]
async fn answers_are_compressed_where_the_client_takes_it() {
    let (app, alice) = TestApp::with_alice().await;
    app.song(&alice).await;
    let plain = app.get("/api/task/self").user(&alice).send().await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = app.get("/api/task/self").user(&alice);
    let packed = packed.header("accept-encoding", "gzip, br").send().await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice())
        .read_to_string(&mut unpacked)
        .expect("it is gzip");
    assert_eq!(unpacked, plain.text());
}

#[tokio::test]
async fn errors_are_in_the_language_that_the_client_prefers() {
    let app = TestApp::new().await;
    for (accepted, language) in [
        ("", "zh"),
        ("en", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr-FR,en;q=0.2", "en"),
        ("en;q=0.5,zh;q=0.6", "zh"),
    ] {
        let response = app.get("/nowhere").header("accept-language", accepted);
        let response = response.send().await;
        assert_eq!(response.header("content-language"), language, "{accepted}");
        let varies = response.headers.get_all("vary").iter();
        assert!(varies.into_iter().any(|v| v == "accept-language"));
    }
}

#[tokio::test]
async fn a_head_request_is_a_get_without_a_body() {
    let (app, alice) = TestApp::with_alice().await;
    let response = app.request(Method::HEAD, "/api/task/self").user(&alice);
    let response = response.send().await;
    assert_eq!((response.status, response.body.len()), (200, 0));
}

#[tokio::test]
async fn every_log_line_of_a_request_has_its_id_and_none_has_a_secret() {
    let (log, _guard) = Log::of_this_test(tracing::Level::DEBUG);
    let (app, alice) = TestApp::with_alice().await;
    let submit = || {
        let request = app.post("/suno/submit/music").key(&alice.key);
        let request = request.header("x-request-id", "id-of-mine");
        request.json(r#"{"prompt":"a private prompt"}"#).send()
    };
    submit().await.submitted();
    app.store.close().await;
    assert_eq!(submit().await.status, 503);
    // Of these, anybody can send as many as they like.
    let path = format!("/{}", "a".repeat(15_000));
    let stranger = app.get(&path).header("x-request-id", "a-long-one");
    assert_eq!(stranger.send().await.status, 404);

    let log = log.text();
    let of_requests = |line: &&str| line.contains(" api::") && !line.contains(" api::publisher");
    for line in log.lines().filter(of_requests) {
        assert!(line.contains(r#"request{request_id=""#), "{line}");
    }
    // Two are answered, one is stored, one fails.
    let lines = log
        .lines()
        .filter(|line| line.contains("id-of-mine") && line.contains(" api::"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 4, "{log}");
    // The line of the failure is written when the key cannot be looked up any more.
    let named = format!("user={} key={}", alice.id, alice.key_id);
    let of_who = lines.iter().filter(|line| line.contains(&named));
    assert_eq!(of_who.count(), 2, "{log}");
    assert!(!log.contains(&alice.key) && !log.contains("a private prompt"));
    let of_stranger: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("a-long-one"))
        .collect();
    let [line] = of_stranger[..] else {
        panic!("{of_stranger:?}");
    };
    assert!(line.contains(" DEBUG ") && line.contains("(cut, 15001 bytes)"));
    assert!(line.len() < 1_000, "{}", line.len());
}

#[tokio::test]
async fn refusals_of_known_callers_and_failures_are_lines_of_the_log_and_nothing_else_is() {
    let (app, alice) = TestApp::with_alice().await;
    let (log, _guard) = Log::of_this_test(tracing::Level::INFO);
    app.song(&alice).await;
    for (path, credential, status) in [
        ("/api/task/self?p=x", alice.token.as_str(), 400),
        ("/suno/fetch/task_x", &alice.key, 400),
        ("/api/task/", &alice.token, 403),
        ("/api/task/self", &alice.token, 200),
        ("/api/task/self", "wrong", 401),
        ("/suno/fetch/task_x", "wrong", 401),
        ("/nowhere", "", 404),
        ("/healthz", "", 200),
        ("/openapi.json", "", 200),
    ] {
        let request = app.get(path).header("authorization", credential);
        assert_eq!(request.send().await.status, status, "{path}");
    }
    let log = log.text();
    let statuses: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split("status=").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(statuses, ["400", "400", "403"], "{log}");
    assert_eq!(log.lines().count(), 3, "{log}");
}
