//! Clients that repeat a submit until its outcome is certain, and log every answer.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use harness::client::{Answer, Client, raw_post};
use harness::wait::eventually;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::check::Expected;
use crate::submits::{Submit, SubmitAnswer, SubmitLog};
use harness::cluster::{Cluster, QUICK, Setup};

/// The limit for a submit to be accepted while the API answers every time.
const ACCEPTED: Duration = Duration::from_mins(2);
/// The limit for a submit to become certain while the API may be down.
const CERTAIN: Duration = Duration::from_mins(3);
const ANSWER: Duration = Duration::from_mins(1);
/// How many submits of a list are open at once.
const AT_ONCE: usize = 8;
/// More quota than any scenario spends.
pub const PLENTY: i64 = 10_000_000_000;

/// A setup with a long submit timeout: a busy machine may stop for three seconds, and that must not
/// turn a submit into one with an unknown outcome.
pub fn patient() -> Setup {
    Setup::default().env("UPSTREAM_SUBMIT_TIMEOUT", "20s")
}

/// The arguments of a quick upstream that takes so long to answer a submit.
pub fn answers_after(latency: &'static str) -> Vec<&'static str> {
    [&QUICK[..], &["--submit-latency", latency]].concat()
}

/// Titles that begin with `word` and end with a number.
pub fn titles(word: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{word} {number}"))
        .collect()
}

pub fn song(title: &str) -> Value {
    json!({"title": title, "prompt": title})
}

/// A submit as bytes, and the address to send them to.
pub fn raw_submit(
    url: &str,
    key: &str,
    idempotency_key: Option<&str>,
    body: &Value,
) -> (String, String) {
    let url = url.trim_start_matches("http://");
    let (address, path) = url.split_once('/').unwrap_or((url, ""));
    let body = body.to_string();
    let text = raw_post(&format!("/{path}"), key, idempotency_key, &body);
    (address.to_owned(), text)
}

/// A user, and the log of its submits.
#[derive(Debug)]
pub struct PatientClient {
    pub client: Client,
    /// The same user at each API, for submits that change the API after each answer.
    at_apis: Vec<Client>,
    submits: SubmitLog,
}

impl PatientClient {
    /// A new user with [`PLENTY`] of quota.
    pub async fn new(cluster: &Cluster, name: &str) -> Self {
        let client = cluster.user(name, PLENTY).await;
        Self {
            at_apis: vec![client.clone()],
            client,
            submits: SubmitLog::default(),
        }
    }

    /// A new user that [`Self::submit_until_certain`] sends to every API in turn.
    pub async fn at_every_api(cluster: &Cluster, name: &str) -> Self {
        let mut client = Self::new(cluster, name).await;
        let at = |url: &str| client.client.at(url);
        client.at_apis = cluster.apis.iter().map(|api| at(&api.url)).collect();
        client
    }

    /// Submits a song until it is accepted; returns the task's id. The API must answer every time.
    pub async fn song(&self, title: &str) -> String {
        self.submit("music", title, &song(title)).await
    }

    /// Submits lyrics until they are accepted; returns the task's id.
    pub async fn lyrics(&self, prompt: &str) -> String {
        // The upstream reads the prompt, the ledger check the title.
        let body = json!({"title": prompt, "prompt": prompt});
        self.submit("lyrics", prompt, &body).await
    }

    async fn submit(&self, action: &str, title: &str, body: &Value) -> String {
        let mut answers = Vec::new();
        let task = eventually(ACCEPTED, "a submit to be accepted", async || {
            let answer = self.client.submit_once(action, body, Some(title)).await;
            let Answer { status, text, .. } = answer;
            answers.push(SubmitAnswer::read(status, &text));
            match answers.last() {
                Some(SubmitAnswer::Task(id)) => Some(id.clone()),
                Some(SubmitAnswer::Refused(_)) => panic!("{title:?} was refused: {status} {text}"),
                _ => None,
            }
        })
        .await;
        self.log(title, answers);
        task
    }

    /// Submits songs, eight at once; returns their tasks' ids in the order of `titles`.
    pub async fn songs(&self, titles: &[String]) -> Vec<String> {
        let submits = futures_util::stream::iter(titles).map(|title| self.song(title));
        submits.buffered(AT_ONCE).collect().await
    }

    /// Submits a song once. No answer, or half an answer, leaves the outcome unknown. The caller
    /// logs the answer.
    pub async fn try_song(&self, title: &str, idempotency_key: Option<&str>) -> SubmitAnswer {
        try_song(&self.client, title, idempotency_key).await
    }

    /// Submits a song, at each API in turn, until the outcome is certain.
    pub async fn submit_until_certain(&self, title: &str) -> Submit {
        let mut answers = Vec::new();
        let started = Instant::now();
        for client in self.at_apis.iter().cycle() {
            let answer = try_song(client, title, Some(title)).await;
            let certain = answer != SubmitAnswer::Unknown;
            answers.push(answer);
            if certain {
                break;
            }
            let open = started.elapsed();
            assert!(open < CERTAIN, "{title:?} is still open: {answers:?}");
            sleep(Duration::from_millis(200)).await;
        }
        self.log(title, answers)
    }

    /// Submits song after song, `at_once` of them at a time, until then; finishes what it began.
    pub async fn submit_until(&self, at_once: usize, until: Instant) {
        let one = async |client: usize| {
            let mut number = 0;
            while Instant::now() < until {
                self.submit_until_certain(&format!("Song {client}-{number}"))
                    .await;
                number += 1;
                sleep(Duration::from_millis(50)).await;
            }
        };
        join_all((0..at_once).map(one)).await;
    }

    /// Logs a submit with all its answers.
    pub fn log(&self, title: &str, answers: Vec<SubmitAnswer>) -> Submit {
        let submit = Submit {
            title: title.to_owned(),
            user: self.client.id,
            answers,
        };
        self.submits.add(submit.clone());
        submit
    }

    pub fn submits(&self) -> Vec<Submit> {
        self.submits.all()
    }

    pub async fn succeeds(&self, id: &str, within: Duration) -> Value {
        let task = self.client.end_of(id, within).await;
        assert_eq!(task["status"], "SUCCESS", "{task}");
        task
    }

    pub async fn all_succeed(&self, ids: &[String], within: Duration) {
        for task in self.client.ends_of(ids, within).await {
            assert_eq!(task["status"], "SUCCESS", "{task}");
        }
    }

    /// The task must end in FAILURE; returns the reason.
    pub async fn fails(&self, id: &str, within: Duration) -> String {
        let task = self.client.end_of(id, within).await;
        assert_eq!(task["status"], "FAILURE", "{task}");
        let reason = task["fail_reason"].as_str().expect("a reason is a text");
        assert!(!reason.is_empty(), "{task}");
        reason.to_owned()
    }

    /// What the tables must hold of this user.
    pub fn expected(&self) -> Expected {
        Expected {
            submits: self.submits(),
            granted: [(self.client.name.clone(), PLENTY)].into(),
            parked: false,
        }
    }
}

async fn try_song(client: &Client, title: &str, idempotency_key: Option<&str>) -> SubmitAnswer {
    let request = client.post("/suno/submit/music").timeout(ANSWER);
    let (_, answer) = send_submit(request, idempotency_key, &song(title)).await;
    answer
}

/// Sends a submit; returns the answer's status, if there was a whole answer, and what it means.
pub async fn send_submit(
    mut request: RequestBuilder,
    idempotency_key: Option<&str>,
    body: &Value,
) -> (Option<u16>, SubmitAnswer) {
    if let Some(key) = idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = async {
        let answer = request.json(body).send().await?;
        let status = answer.status().as_u16();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    match answer.await {
        Ok((status, body)) => (Some(status), SubmitAnswer::read(status, &body)),
        Err(_) => (None, SubmitAnswer::Unknown),
    }
}
