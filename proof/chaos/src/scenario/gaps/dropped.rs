//! A client that goes away while its submit stands inside a transaction.
//!
//! sqlx 0.9.0 can hand a connection back to its pool with a transaction still open when `begin()` is
//! cancelled (its issue 4393): what comes next on it "succeeds" and vanishes. So a submit goes on
//! without its client, and with one connection to be had the next ones show what became of it.

use std::time::Duration;

use harness::client::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::evidence::{ann, ends, stored, upstream};
use super::{setup, words};
use crate::record::{Answered, Asked};
use crate::run::{Run, Scenario};
use crate::scenario::asking::{ask, song};
use harness::proxy::gate::Pattern;

/// The client goes away.
pub const IN_A_TRANSACTION: Scenario = Scenario {
    name: "client-leaves-in-a-transaction",
    about: "A client disconnects while BEGIN, its answer, COMMIT or its answer is on the wire of an API \
            with one connection to be had. Its task is made all the same, and the next submits on that very \
            connection are durable.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(in_a_transaction(run)),
};

/// The moments: what they are called, and their words.
type Moment = (&'static str, fn() -> Vec<Pattern>);
const MOMENTS: [Moment; 4] = [
    ("BEGIN", || vec![words::begin()]),
    ("BEGIN's answer", || vec![words::begin(), words::begun()]),
    ("COMMIT", || vec![words::begin(), words::commit()]),
    ("COMMIT's answer", || {
        vec![words::begin(), words::commit(), words::committed()]
    }),
];

async fn in_a_transaction(run: &Run) {
    let two_connections = setup().env("DATABASE_MAX_CONNECTIONS", "2");
    run.on_site(&two_connections, async |site| {
        let (ann, api) = (ann(site).await, &site.apis[0]);
        // One of the two stands still all the while, before its BEGIN: it holds no lock.
        let mut other = api.postgres.hold(&[words::begin()]);
        let still = asks(&ann, "Still").await;
        other.reached().await;
        ann.song("Before").await;
        let connections = api.postgres.accepted();
        let mut asked = Vec::new();
        for (moment, words) in MOMENTS {
            let left = format!("Left in {moment}");
            let mut held = api.postgres.hold(&words());
            let client = asks(&ann, &left).await;
            held.reached().await;
            goes_away(client).await;
            held.release();
            for number in 1..=3 {
                let title = format!("{number} after {moment}");
                ann.song(&title).await;
                assert_eq!(stored(site, &title).await, 1, "{title}");
            }
            // Before those: they stood behind it in the queue for the one connection.
            assert_eq!(stored(site, &left).await, 1, "{left}");
            let answer = ask(&ann, &left, Some(&left)).await;
            assert!(matches!(answer, Answered::Task(_)), "{answer:?}");
            asked.push(Asked {
                title: left,
                user: ann.id,
                answers: vec![Answered::Open, answer],
            });
        }
        assert_eq!(
            api.postgres.accepted(),
            connections,
            "it stayed with its one"
        );
        goes_away(still).await;
        other.reset();
        // What only seemed to be committed would go with its connection.
        api.kill().await;
        api.serve().await;
        let lefts: Vec<String> = asked.iter().map(|asked| asked.title.clone()).collect();
        ends(run, site, asked, 1 + 4 * MOMENTS.len(), 0).await;
        for left in lefts {
            assert_eq!(upstream(site, &left).await, (1, 1), "{left}");
        }
    })
    .await;
}

/// Asks for a song, under its title as idempotency key, and does not wait for the answer.
async fn asks(client: &Client, title: &str) -> TcpStream {
    let base = client.base.lock().expect("nobody panicked").clone();
    let at = base.replace("http://", "");
    let body = song(title).to_string();
    let request = format!(
        "POST /suno/submit/music HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {title}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        client.key,
        body.len()
    );
    let mut stream = TcpStream::connect(at).await.expect("the API listens");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("the API takes a request");
    stream
}

/// Closes its side, and waits until the API has closed the other: it has dropped the request then.
async fn goes_away(mut client: TcpStream) {
    client.shutdown().await.expect("it is open");
    let mut answer = Vec::new();
    let closed = timeout(Duration::from_secs(30), client.read_to_end(&mut answer)).await;
    closed
        .expect("the API notices")
        .expect("it closes in order");
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}
