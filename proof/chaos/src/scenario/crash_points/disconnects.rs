//! A client disconnects in a transaction of its submit.
//!
//! In sqlx 0.9.0 a cancelled `begin()` can return a connection to the pool with an open transaction
//! (sqlx issue 4393): the next statements on that connection seem to succeed, and are lost. So a
//! submit must go on without its client. With one free connection, the next submits use the same
//! connection and show what became of it.

use harness::client::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ends, setup};
use crate::clients::raw_submit;
use crate::scenario::prelude::*;

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario::new(
        "client-leaves-in-a-transaction",
        "A client disconnects while BEGIN, its answer, COMMIT or its answer is on the wire of an API \
         with one free connection. The task is made all the same, and the next submits on that \
         connection are durable.",
        disconnects,
    )]
}

const STEPS: [(&str, &[Pattern]); 4] = [
    ("BEGIN", &[BEGIN]),
    ("BEGIN's answer", &[BEGIN, BEGUN]),
    ("COMMIT", &[BEGIN, COMMIT]),
    ("COMMIT's answer", &[BEGIN, COMMIT, COMMITTED]),
];

async fn disconnects(run: &Run) {
    let two_connections = setup().env("DATABASE_MAX_CONNECTIONS", "2");
    run.on_cluster(&two_connections, async |cluster| {
        let (ann, api) = (PatientClient::new(cluster, "ann").await, &cluster.apis[0]);
        for (step, patterns) in STEPS {
            // In each step anew, one of the two connections stops before its BEGIN, without a lock. One stop for all steps
            // would last too long: an API gives up all its connections when one of them carries nothing for over 3 s.
            let mut other = api.postgres().hold(&[BEGIN]);
            let still = send(&ann.client, "Still").await;
            other.reached().await;
            ann.client.song(&format!("Before {step}")).await;
            let left = format!("Left in {step}");
            let mut held = api.postgres().hold(patterns);
            let client = send(&ann.client, &left).await;
            held.reached().await;
            disconnect(client).await;
            held.release();
            for number in 1..=3 {
                let title = format!("{number} after {step}");
                ann.client.song(&title).await;
                assert_eq!(stored(cluster, &title).await, 1, "{title}");
            }
            // It was ahead of those three in the queue for the one connection.
            assert_eq!(stored(cluster, &left).await, 1, "{left}");
            let answer = ann.try_song(&left, Some(&left)).await;
            assert!(matches!(answer, SubmitAnswer::Task(_)), "{answer:?}");
            ann.log(&left, vec![SubmitAnswer::Unknown, answer]);
            disconnect(still).await;
            other.reset();
        }
        // What only seems to be committed is lost with its connection.
        api.kill().await;
        api.serve().await;
        ends(run, cluster, &ann, 5 * STEPS.len(), 0).await;
        for submit in ann.submits() {
            let left = submit.title;
            assert_eq!(submits_of(cluster, &left).await, (1, 1), "{left}");
        }
    })
    .await;
}

/// Sends a submit, with its title as idempotency key, and does not read the answer.
async fn send(client: &Client, title: &str) -> TcpStream {
    let url = format!("{}/suno/submit/music", client.url);
    let (address, request) = raw_submit(&url, &client.key, Some(title), &song(title));
    let mut stream = TcpStream::connect(address).await.expect("the API listens");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("the API takes a request");
    stream
}

/// Closes the client's side, and waits until the API has dropped the request and closed the other.
async fn disconnect(mut client: TcpStream) {
    client.shutdown().await.expect("it is open");
    let mut answer = Vec::new();
    let closed = timeout(Duration::from_secs(30), client.read_to_end(&mut answer)).await;
    let closed = closed.expect("the API notices");
    closed.expect("the API closes the connection in order");
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}
