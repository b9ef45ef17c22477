//! Heads that are not right, on a real socket: each is answered in our shape, with an id, and the connection
//! ends.

use std::sync::Arc;

use api::http::head::on_bad_head;
use shared::process::http::{Server, Timeouts};
use shared::random::Random;

use crate::app::TestApp;
use crate::serving::{LOOPBACK, Serving, bounds};

async fn serve(app: &TestApp) -> Serving {
    let server = Server::bind(LOOPBACK, None, bounds()).await;
    let server = server
        .expect("a port is free")
        .timeouts(Timeouts::default());
    let server = server.on_bad_head(on_bad_head(Arc::new(Random::seeded(3))));
    let (address, stop) = (server.address(), app.stop.clone());
    let router = app.router.clone();
    let ended = tokio::spawn(async move { server.serve(router, stop.requested()).await });
    Serving {
        address,
        stop: app.stop.clone(),
        ended,
    }
}

/// Checks status, shape and id of an answer, and returns its body.
fn refused<'a>(answer: &'a str, status: &str) -> &'a str {
    let (head, body) = answer.split_once("\r\n\r\n").expect("it has a head");
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    let value = |name: &str| {
        let name = format!("{name}: ");
        let mut lines = head.split("\r\n");
        lines
            .find_map(|line| line.strip_prefix(&name))
            .unwrap_or_default()
    };
    assert_eq!(value("x-request-id").len(), 24, "{head}");
    assert_eq!(value("content-type"), "application/json", "{head}");
    assert_eq!(value("content-length"), body.len().to_string(), "{head}");
    assert!(!value("date").is_empty(), "{head}");
    serde_json::from_str::<serde_json::Value>(body).expect("the body is JSON");
    body
}

#[tokio::test]
async fn a_head_of_more_than_16_kib_is_431_in_the_shape_of_its_path() {
    let app = TestApp::new().await;
    let serving = serve(&app).await;
    let long = "a".repeat(60_000);
    let api = r#"{"success":false,"message":"请求头过大，最多 16 KiB"}"#;
    let suno = r#"{"code":"invalid_request","message":"请求头过大，最多 16 KiB","data":null}"#;
    let many = "x: y\r\n".repeat(150);
    for (request, expected) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), api),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nx: {long}\r\n\r\n"),
            api,
        ),
        (
            format!("GET /suno/fetch/x HTTP/1.1\r\nHost: x\r\nx: {long}\r\n\r\n"),
            suno,
        ),
        (format!("GET /api/task/self?{}", &long[..17_000]), api),
        (
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
            api,
        ),
    ] {
        let answer = serving.answer(&request).await;
        assert_eq!(refused(&answer, "431 "), expected);
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    let fits = &long[..16 * 1024 - 80];
    let request = format!("GET /{fits} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    refused(&serving.answer(&request).await, "404 ");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_400_also_after_a_good_request_on_the_same_connection() {
    let app = TestApp::new().await;
    let serving = serve(&app).await;
    for request in [
        "no head at all\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ] {
        let answer = serving.answer(request).await;
        let expected = r#"{"success":false,"message":"请求无法解析"}"#;
        assert_eq!(refused(&answer, "400 "), expected, "{request}");
        let good = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        let answer = serving.answer(&format!("{good}{request}")).await;
        let (first, second) = answer
            .split_once(r#"{"status":"ok"}"#)
            .expect("it is healthy");
        assert!(first.starts_with("HTTP/1.1 200"), "{answer}");
        refused(second, "400 ");
    }
}

#[tokio::test]
async fn a_request_names_one_host_or_is_400() {
    let app = TestApp::new().await;
    let serving = serve(&app).await;
    for hosts in [
        "",
        "Host: x\r\nHost: x\r\n",
        "Host: x\r\nHost: y\r\n",
        "Host: a b\r\n",
    ] {
        for (path, expected) in [
            (
                "/suno/fetch/x",
                r#"{"code":"invalid_request","message":"请求头 Host 应出现一次，且为合法的主机名","data":null}"#,
            ),
            (
                "/api/task/self",
                r#"{"success":false,"message":"请求头 Host 应出现一次，且为合法的主机名"}"#,
            ),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
            let answer = serving.answer(&request).await;
            assert_eq!(refused(&answer, "400 "), expected, "{hosts}");
        }
    }
    let old = serving.answer("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
}

#[tokio::test]
async fn every_refusal_has_an_id() {
    let (app, alice) = TestApp::with_alice().await;
    let serving = serve(&app).await;
    let key = format!("Authorization: {}\r\n", alice.key);
    let large = " ".repeat(300 * 1024);
    for (status, line, headers, body) in [
        ("400", "POST /suno/submit/music", key.as_str(), "{"),
        ("401", "GET /api/task/self", "", ""),
        ("404", "GET /nowhere", "", ""),
        ("405", "DELETE /api/task/self", "", ""),
        (
            "413",
            "POST /suno/submit/music",
            key.as_str(),
            large.as_str(),
        ),
        (
            "415",
            "POST /suno/submit/music",
            &format!("{key}Content-Type: text/plain\r\n"),
            "x",
        ),
    ] {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        refused(&serving.answer(&request).await, status);
    }
}
