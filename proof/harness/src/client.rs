//! A user with an access token and an API key, who uses the public HTTP API.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use tokio::time::Instant;

use crate::dialects::Form;
use crate::wait::{EVERY, eventually};

/// The default price of a song.
pub const SONG: i64 = 150_000;
/// The default price of lyrics.
pub const LYRICS: i64 = 5_000;

/// The headers and bodies of all answers to the clients that share this.
pub type Answers = Arc<Mutex<Vec<String>>>;

/// The status and the body of `/readyz` of the process at `url`; `None` if it does not answer.
pub async fn readiness(http: &reqwest::Client, url: &str) -> Option<(u16, Value)> {
    let answer = http.get(format!("{url}/readyz")).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.json().await.ok()?))
}

/// A client of HTTP that uses no proxy of the environment.
pub fn http() -> reqwest::Client {
    // reqwest asks for the process's TLS backend; an error means that one is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client can be made")
}

/// A user.
#[derive(Debug, Clone)]
pub struct Client {
    /// The user's name.
    pub name: String,
    /// The user's id.
    pub id: i64,
    /// For `/api/*`.
    pub token: String,
    /// For `/suno/*`.
    pub key: String,
    /// Where the API is, `http://host:port`.
    pub url: String,
    /// What was answered.
    pub answers: Answers,
    /// What sends the requests.
    pub http: reqwest::Client,
    /// The platform whose songs the user asks for; `None`: suno, by its own paths.
    pub form: Option<&'static Form>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub json: Value,
    /// The body as it came.
    pub text: String,
}

impl Client {
    /// A user of the API at `url`.
    pub fn new(name: &str, id: i64, token: &str, key: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            id,
            token: token.to_owned(),
            key: key.to_owned(),
            url: url.to_owned(),
            answers: Answers::default(),
            http: http(),
            form: None,
        }
    }

    /// The same user at the API at `url`.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    /// `POST /suno/submit/{action}`, or its like at the user's platform.
    pub async fn submit(&self, action: &str, body: &Value) -> Answer {
        self.submit_once(action, body, None).await
    }

    /// The same with an idempotency key.
    pub async fn submit_once(&self, action: &str, body: &Value, once: Option<&str>) -> Answer {
        let mut request = match self.form {
            None => self.post(&format!("/suno/submit/{action}")).json(body),
            Some(form) => self.post("/v1/tasks").json(&form.body(action, body)),
        };
        if let Some(once) = once {
            request = request.header("Idempotency-Key", once);
        }
        self.send(request).await
    }

    /// Submits a song with this title, which must be taken; returns the task's id.
    pub async fn song(&self, title: &str) -> String {
        // The database keeps the prompt, and the simulator the title.
        let body = json!({"title": title, "tags": "folk", "prompt": title});
        self.submit("music", &body).await.task_id()
    }

    /// Submits songs, sixteen at once, and retries with an idempotency key while the API answers 503.
    /// Returns the tasks' ids in the order of `titles`.
    pub async fn songs(&self, titles: &[String]) -> Vec<String> {
        let patient = async |title: &String| {
            let body = json!({"title": title, "prompt": "la"});
            eventually(Duration::from_mins(2), "a submit to be taken", async || {
                let answer = self.submit_once("music", &body, Some(title)).await;
                (answer.status != 503).then(|| answer.task_id())
            })
            .await
        };
        futures_util::stream::iter(titles)
            .map(patient)
            .buffered(16)
            .collect()
            .await
    }

    /// Submits lyrics, which must be taken; returns the task's id.
    pub async fn lyrics(&self, prompt: &str) -> String {
        if self.form.is_some_and(|form| !form.has_lyrics) {
            return self.song(prompt).await;
        }
        let body = json!({ "prompt": prompt });
        self.submit("lyrics", &body).await.task_id()
    }

    /// The task as the upstream's dialect shows it, by `GET /suno/fetch/{task_id}`.
    pub async fn task(&self, id: &str) -> Value {
        let answer = self.send(self.get(&format!("/suno/fetch/{id}"))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["data"].clone()
    }

    /// `GET` with the API key.
    pub async fn get_by_key(&self, path: &str) -> Answer {
        self.send(self.get(path)).await
    }

    /// `GET` with the access token.
    pub async fn get_by_token(&self, path: &str) -> Answer {
        let request = self.http.get(self.full(path)).bearer_auth(&self.token);
        self.send(request.header("New-Api-User", self.id)).await
    }

    /// The tasks by `POST /suno/fetch`, in any number.
    pub async fn tasks(&self, ids: &[String]) -> Vec<Value> {
        let mut tasks = Vec::new();
        for ids in ids.chunks(1000) {
            let request = self.post("/suno/fetch").json(&json!({ "ids": ids }));
            let answer = self.send(request).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let found = answer.json["data"].as_array();
            tasks.extend(found.expect("tasks are a list").iter().cloned());
        }
        tasks
    }

    /// A page of `/api/task/self`, or of `/api/task/`: its `data`.
    pub async fn page(&self, path: &str) -> Value {
        let answer = self.get_by_token(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json["success"], true, "{}", answer.text);
        answer.json["data"].clone()
    }

    /// The one task of this id in `/api/task/self`.
    pub async fn listed(&self, id: &str) -> Value {
        let page = self.page(&format!("/api/task/self?task_id={id}")).await;
        assert_eq!(page["total"], 1, "{page}");
        page["items"][0].clone()
    }

    /// The task, once it is terminal.
    pub async fn end_of(&self, id: &str, within: Duration) -> Value {
        let ids = [id.to_owned()];
        self.ends_of(&ids, within).await.remove(0)
    }

    /// The tasks, once all are terminal, in the order asked.
    pub async fn ends_of(&self, ids: &[String], within: Duration) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let tasks = self.tasks(ids).await;
            let unfinished: Vec<&Value> = tasks.iter().filter(|task| !is_terminal(task)).collect();
            if tasks.len() == ids.len() && unfinished.is_empty() {
                return tasks;
            }
            assert!(
                started.elapsed() < within,
                "{} of {} tasks were found, and after {within:?} these are unfinished: {unfinished:?}",
                tasks.len(),
                ids.len()
            );
            tokio::time::sleep(EVERY).await;
        }
    }

    /// A POST with the API key.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.full(path)).bearer_auth(&self.key)
    }

    /// Sends it, and notes the answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request
            .timeout(Duration::from_secs(30))
            .send()
            .await
            .unwrap_or_else(|error| panic!("the API does not answer: {error:?}"));
        let status = response.status().as_u16();
        let headers = format!("{:?}", response.headers());
        let text = response.text().await.expect("the API answers with a text");
        let mut answers = self.answers.lock().expect("nobody panicked");
        answers.extend([headers, text.clone()]);
        Answer {
            status,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.full(path)).bearer_auth(&self.key)
    }

    fn full(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Answer {
    /// The id of the task that a submit made.
    pub fn task_id(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.json["code"], "success", "{}", self.text);
        let id = self.json["data"].as_str().expect("an id is a text");
        let letters = id.strip_prefix("task_").unwrap_or_default();
        let good = letters.len() == 32 && letters.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(good, "{id}");
        id.to_owned()
    }
}

/// The bytes of a POST with an API key and a JSON body, for senders that are no [`Client`].
pub fn raw_post(path: &str, key: &str, idempotency_key: Option<&str>, body: &str) -> String {
    let once = idempotency_key.map(|key| format!("Idempotency-Key: {key}\r\n"));
    let (once, length) = (once.unwrap_or_default(), body.len());
    format!(
        "POST {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\n{once}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// How far the task's status is on its way. Panics on FAILURE.
pub fn rank(task: &Value) -> usize {
    let mut order = "NOT_START SUBMITTED UNKNOWN QUEUED IN_PROGRESS SUCCESS".split(' ');
    let rank = order.position(|status| task["status"] == status);
    rank.unwrap_or_else(|| panic!("{task}"))
}

/// The task's `progress` as a number, 0 to 100.
pub fn percent(task: &Value) -> u32 {
    let text = task["progress"].as_str().unwrap_or_default();
    let digits = text.strip_suffix('%').unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("{task}"))
}

/// Whether a task has ended, by the status that either listing shows.
pub fn is_terminal(task: &Value) -> bool {
    task["status"] == "SUCCESS" || task["status"] == "FAILURE"
}
