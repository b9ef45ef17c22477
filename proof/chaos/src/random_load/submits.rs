//! Submits: once, repeated, several at the same time, with a disconnect.

use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::Load;
use super::users::User;
use crate::clients::{raw_submit, send_submit};
use crate::submits::{Submit, SubmitAnswer};

const ANSWER: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);
/// How often a submit is repeated once the load stops: by then everything works.
const LAST_TRIES: usize = 60;

/// What a client submits, and with which key.
struct Request {
    http: reqwest::Client,
    url: String,
    key: String,
    body: Value,
}

impl Load {
    /// Submits once, without an idempotency key.
    pub(super) async fn submit_once(&self, user: &User, title: &str, random: &mut StdRng) {
        self.counters.count("submitted once");
        let request = Request::random(user, title, random);
        let answer = self.submit(&request, None).await;
        self.log(user, title, vec![answer]);
    }

    /// Repeats a submit under its idempotency key until the outcome is certain.
    pub(super) async fn submit_until_answered(
        &self,
        user: &User,
        title: &str,
        random: &mut StdRng,
    ) {
        self.counters.count("submitted until answered");
        let request = Request::random(user, title, random);
        let answers = self.repeat(&request, title).await;
        self.log(user, title, answers);
    }

    /// Sends a submit several times at the same time under one idempotency key.
    pub(super) async fn submit_twins(&self, user: &User, title: &str, random: &mut StdRng) {
        self.counters.count("submitted as twins");
        let request = Request::random(user, title, random);
        let twins = random.random_range(2..=4);
        let answers = join_all((0..twins).map(|_| self.repeat(&request, title))).await;
        self.log(user, title, answers.concat());
    }

    /// Sends a submit, whole or in part, and disconnects.
    pub(super) async fn hang_up(&self, user: &User, title: &str, random: &mut StdRng) {
        self.counters.count("disconnected");
        let request = Request::random(user, title, random);
        let (address, text) = raw_submit(&request.url, &request.key, None, &request.body);
        let sent = match random.random_range(0..4) {
            0 => random.random_range(0..text.len()),
            _ => text.len(),
        };
        let stays = Duration::from_millis(random.random_range(0..40));
        self.log(user, title, vec![SubmitAnswer::Unknown]);
        if let Ok(mut connection) = TcpStream::connect(address).await {
            let _ = connection.write_all(&text.as_bytes()[..sent]).await;
            sleep(stays).await;
        }
    }

    async fn repeat(&self, request: &Request, idempotency_key: &str) -> Vec<SubmitAnswer> {
        let mut answers = Vec::new();
        let mut last_tries = 0;
        loop {
            let answer = self.submit(request, Some(idempotency_key)).await;
            let certain = answer != SubmitAnswer::Unknown;
            answers.push(answer);
            if certain {
                return answers;
            }
            self.counters.count("repeated");
            if self.is_stopping() {
                last_tries += 1;
                assert!(
                    last_tries < LAST_TRIES,
                    "{idempotency_key:?} is never answered"
                );
            }
            sleep(PAUSE).await;
        }
    }

    async fn submit(&self, request: &Request, idempotency_key: Option<&str>) -> SubmitAnswer {
        let post = request.http.post(&request.url).bearer_auth(&request.key);
        let started = Instant::now();
        let (status, answer) =
            send_submit(post.timeout(ANSWER), idempotency_key, &request.body).await;
        self.counters.count(match status {
            Some(status) => format!("answered {status}"),
            None => "no answer".to_owned(),
        });
        if matches!(answer, SubmitAnswer::Task(_)) {
            self.latency.add(started.elapsed());
        }
        answer
    }

    fn log(&self, user: &User, title: &str, answers: Vec<SubmitAnswer>) {
        let submit = Submit {
            title: title.to_owned(),
            user: user.client.id,
            answers,
        };
        for id in submit.tasks() {
            self.seen.expect(submit.user, id);
        }
        self.submits.add(submit);
    }
}

impl Request {
    /// A song, or sometimes lyrics, by one of the user's keys.
    fn random(user: &User, title: &str, random: &mut StdRng) -> Self {
        let key = &user.keys[random.random_range(0..user.keys.len())];
        let (action, body) = match random.random_range(0..5) {
            0 => ("lyrics", json!({ "prompt": title })),
            _ => (
                "music",
                json!({"title": title, "tags": "folk", "prompt": title}),
            ),
        };
        Self {
            http: user.client.http.clone(),
            url: format!("{}/suno/submit/{action}", user.client.url),
            key: key.clone(),
            body,
        }
    }
}
