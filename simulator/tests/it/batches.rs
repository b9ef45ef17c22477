//! Fetches with many tasks in flight.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::Instant};

use crate::upstream::Upstream;

const TASKS: usize = 2_000;

/// The generous bound catches a fetch that looks at all tasks.
#[tokio::test]
async fn a_hundred_ids_are_one_cheap_request() {
    let upstream = Upstream::start().await;
    let address = upstream.simulator.addr();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut post = async |path: &str, body: Value| -> Value {
        let request = Request::post(path)
            .header(header::HOST, "simulator")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = to_bytes(Body::new(response.into_body()), usize::MAX)
            .await
            .unwrap();
        serde_json::from_slice(&body).unwrap()
    };
    let mut ids = Vec::new();
    for n in 0..TASKS {
        let answer = post(
            "/suno/submit/music",
            json!({"title": format!("Song {n}"), "prompt": "la"}),
        )
        .await;
        ids.push(answer["data"].as_str().unwrap().to_owned());
    }
    let begun = Instant::now();
    for batch in ids.chunks(100) {
        let answer = post("/suno/fetch", json!({"ids": batch})).await;
        assert_eq!(answer["data"].as_array().unwrap().len(), 100);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(upstream.counts().max_accepted_per_title, 1);
}
