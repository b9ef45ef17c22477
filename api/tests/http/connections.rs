//! Many connections: who gets in, and who goes.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use shared::config::Networks;
use shared::process::http::tls::Tls;
use shared::process::http::{Bounds, Server, Timeouts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::serving::{GET, LOOPBACK, SelfSigned, Serving, rest, serve_within};

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

async fn serve(router: Router, total: usize) -> Serving {
    let bounds = Bounds::with_total(total, Networks::default());
    serve_within(router, Timeouts::default(), bounds).await
}

/// Reads the head and the body of an answer, whose end the text names, on a connection that goes on.
async fn answered(client: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut piece = [0; 1024];
        let read = client.read(&mut piece).await.expect("it answers");
        assert!(read > 0, "the connection ended: {answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    answer
}

#[tokio::test]
async fn connections_that_send_nothing_or_half_a_head_give_way_to_those_that_ask() {
    let app = TestApp::new().await;
    let serving = serve(app.router.clone(), 20).await;
    let mut used = serving.send(HEALTHZ).await;
    answered(&mut used, "}").await;
    let mut half_open = Vec::new();
    for number in 0..200 {
        let sent = ["", "GET /healthz HTTP/1.1\r\nHost: "][number % 2];
        half_open.push(serving.send(sent).await);
    }
    for _ in 0..50 {
        let mut client = serving.send(HEALTHZ).await;
        let answer = answered(&mut client, "}").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for client in &mut half_open[..150] {
        assert_eq!(rest(client).await, "");
    }
    let figures = app.get("/metrics").send().await;
    for figure in [
        "task_center_http_connections ",
        "task_center_http_connections_limit ",
        r#"task_center_http_connections_turned_away_total{bound="total",outcome="closed_idle"} "#,
        r#"task_center_http_connections_turned_away_total{bound="address",outcome="refused"} "#,
    ] {
        let found = figures.text().lines().any(|line| line.starts_with(figure));
        assert!(found, "{figure}\n{}", figures.text());
    }
}

#[tokio::test]
async fn a_connection_that_was_used_outlives_those_that_are_idle_for_longer() {
    let app = TestApp::new().await;
    let serving = serve(app.router.clone(), 10).await;
    let mut half_open = serving.send("").await;
    let mut others = Vec::new();
    for _ in 0..9 {
        others.push(serving.send("").await);
    }
    let mut used = serving.send(HEALTHZ).await;
    answered(&mut used, "}").await;
    assert_eq!(rest(&mut half_open).await, "");
    let mut newer = Vec::new();
    for client in others.iter_mut().take(8) {
        newer.push(serving.send("").await);
        assert_eq!(rest(client).await, "");
    }
    let sent = used.write_all(HEALTHZ.as_bytes()).await;
    sent.expect("it is sent");
    let answer = answered(&mut used, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn where_every_connection_is_busy_the_new_one_is_refused_and_nobody_elses_request_is_lost() {
    let slow = get(async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "done"
    });
    let serving = serve(Router::new().route("/", slow), 5).await;
    let mut busy = Vec::new();
    for _ in 0..5 {
        busy.push(serving.send(GET).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut refused = TcpStream::connect(serving.address)
        .await
        .expect("it connects");
    assert_eq!(rest(&mut refused).await, "");
    for client in &mut busy {
        let answer = answered(client, "done").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut client = serving.send(GET).await;
    answered(&mut client, "done").await;
}

#[tokio::test]
async fn a_refused_caller_whose_body_never_comes_gives_way() {
    let app = TestApp::new().await;
    let serving = serve(app.router.clone(), 5).await;
    let head = "POST /suno/submit/music HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let mut refused = Vec::new();
    for _ in 0..5 {
        refused.push(serving.send(head).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut client = serving.send(HEALTHZ).await;
    let answer = answered(&mut client, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(rest(&mut refused[0]).await, "");
    // The others have their answer in the end.
    let answer = rest(&mut refused[4]).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn connections_that_never_begin_their_tls_give_way_too() {
    let signed = SelfSigned::new();
    let tls = Tls::read(&signed.files).expect("certificate and key fit");
    let app = TestApp::new().await;
    let bounds = Bounds::with_total(10, Networks::default());
    let server = Server::bind(LOOPBACK, Some(tls), bounds).await;
    let server = server.expect("a port is free");
    let address = server.address();
    tokio::spawn(server.serve(app.router.clone(), std::future::pending()));
    let mut half_open = Vec::new();
    for _ in 0..40 {
        half_open.push(TcpStream::connect(address).await.expect("it connects"));
    }
    assert_eq!(signed.healthz(address).await.status(), 200);
    assert_eq!(rest(&mut half_open[0]).await, "");
}
