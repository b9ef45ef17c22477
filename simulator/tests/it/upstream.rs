//! A simulator for one test, and a client that sees what happens to its connections.

use std::{net::SocketAddr, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use hyper::{HeaderMap, Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use suno_simulator::{Counts, Fault, Faults, Kind, Options, Rate, Simulator, Span, start};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// The key that the client sends.
pub const KEY: &str = "sk-channel";

/// An answer whose head arrived.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// An error if the connection ended before the body did.
    pub body: Result<Bytes, axum::Error>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_ref().expect("a whole body")).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text())
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A simulator that answers at once. Its tasks take an hour unless a directive says otherwise.
pub struct Upstream {
    pub simulator: Simulator,
}

pub fn quick() -> Options {
    Options {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        song_time: Span::exactly(Duration::from_hours(1)),
        lyrics_time: Span::exactly(Duration::from_hours(1)),
        submit_latency: Span::exactly(Duration::ZERO),
        fetch_latency: Span::exactly(Duration::ZERO),
        drip: Duration::ZERO,
        huge: 3,
        ..Options::default()
    }
}

/// Every fault of this kind.
pub fn faults(kind: Kind) -> impl Iterator<Item = Fault> {
    let all = Fault::ALL.iter().copied();
    all.filter(move |fault| fault.kind() == kind)
}

pub fn always(fault: Fault) -> Faults {
    Faults::default().with(fault, Rate::ALWAYS)
}

impl Upstream {
    pub async fn start() -> Self {
        Self::with(quick()).await
    }

    pub async fn with(options: Options) -> Self {
        Self {
            simulator: start(options).await.expect("a free port"),
        }
    }

    pub fn counts(&self) -> Counts {
        self.simulator.counts()
    }

    /// Waits until the counters meet the condition; panics after a minute.
    pub async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        let waiting = async {
            while !condition(&self.counts()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_mins(1), waiting)
            .await
            .expect("the counters meet the condition");
    }

    pub async fn submit(&self, title: &str) -> hyper::Result<Answer> {
        self.post(
            "/suno/submit/music",
            &json!({"title": title, "prompt": "la la", "tags": "folk"}),
        )
        .await
    }

    /// The status of the answer to a submit.
    pub async fn status(&self, title: &str) -> u16 {
        self.submit(title).await.expect("an answer").status.as_u16()
    }

    /// Submits a song that must be accepted; returns its id.
    pub async fn accepted(&self, title: &str) -> String {
        let answer = self.submit(title).await.expect("an answer").json();
        assert_eq!(answer["code"], "success");
        answer["data"].as_str().expect("an id").to_owned()
    }

    pub async fn fetch(&self, ids: &[&str]) -> hyper::Result<Answer> {
        self.post("/suno/fetch", &json!({"ids": ids})).await
    }

    /// Fetches tasks; returns the `data` of the answer.
    pub async fn tasks(&self, ids: &[&str]) -> Vec<Value> {
        let answer = self.fetch(ids).await.expect("an answer").json();
        answer["data"].as_array().expect("a list").clone()
    }

    /// Fetches a task that must exist.
    pub async fn task(&self, id: &str) -> Value {
        let task = self.tasks(&[id]).await.remove(0);
        assert_eq!(task["task_id"], id);
        task
    }

    pub async fn post(&self, path: &str, body: &Value) -> hyper::Result<Answer> {
        self.call(Method::POST, path, body.to_string()).await
    }

    /// A POST that is answered with JSON.
    pub async fn post_json(&self, path: &str, body: Value) -> Value {
        self.post(path, &body).await.expect("an answer").json()
    }

    /// A GET that is answered with JSON.
    pub async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, String::new())
            .await
            .expect("an answer")
            .json()
    }

    pub async fn call(&self, method: Method, path: &str, body: String) -> hyper::Result<Answer> {
        call(self.simulator.addr(), method, path, body).await
    }
}

/// Sends a request over a new connection. An error means that the connection ended without an answer.
pub async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: String,
) -> hyper::Result<Answer> {
    let stream = TcpStream::connect(address)
        .await
        .expect("the simulator takes connections");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .body(Body::from(body))
        .expect("a sound request");
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await;
    connection.abort();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}
