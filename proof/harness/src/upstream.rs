//! The simulated upstream, through its control API (`simulator/README.md`).

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::http;
use crate::fetches::Fetches;
use crate::places::{Made, Places};
use crate::process::{Launch, Process};
use crate::programs::Program;

/// A simulator in a process of its own.
#[derive(Debug)]
pub struct Upstream {
    /// The name of its channel.
    pub name: String,
    /// The key that it requires.
    pub key: String,
    /// Its URL.
    pub url: String,
    process: Process,
    http: reqwest::Client,
}

impl Upstream {
    /// Starts a simulator that requires a new key, with more `arguments`.
    pub async fn start(name: &str, folder: &Path, arguments: &[&str]) -> Self {
        let key = format!("key-of-{name}-{}", crate::folder::unique());
        let always = ["--bind", "127.0.0.1:0", "--key", &key];
        let mut process = Launch::new(Program::Simulator, folder)
            .arguments(&[&always, arguments].concat())
            .env("RUST_LOG", "warn")
            .start(name);
        Self {
            name: name.to_owned(),
            key,
            url: process.url().await,
            process,
            http: http(),
        }
    }

    /// The numbers of requests, of accepted submits and of faults.
    pub async fn counts(&self) -> Value {
        self.ask(Method::GET, "counts", None).await
    }

    /// How many tasks are made now, and the most that ever were at once.
    pub async fn places(&self) -> Places {
        let places = self.ask(Method::GET, "places", None).await;
        serde_json::from_value(places).expect("the simulator tells of its places")
    }

    /// When each task was made, and for whom.
    pub async fn made(&self) -> Vec<Made> {
        let made = self.ask(Method::GET, "places/made", None).await;
        serde_json::from_value(made).expect("the simulator tells when tasks were made")
    }

    /// How many calls fetched tasks, and the most that came in any second and in any ten.
    pub async fn fetches(&self) -> Fetches {
        let fetches = self.ask(Method::GET, "fetches", None).await;
        serde_json::from_value(fetches).expect("the simulator tells of its fetches")
    }

    /// The numbers of submits and of accepted submits with a title, and the latest with their bodies.
    pub async fn submits(&self, title: &str) -> Value {
        self.ask(Method::GET, &of_title("submits", title), None)
            .await
    }

    /// The numbers of submits and of accepted submits with a title.
    pub async fn asked_and_accepted(&self, title: &str) -> (u64, u64) {
        self.all_asked_and_accepted(&[title.to_owned()]).await[0]
    }

    /// The same for many titles, in their order.
    pub async fn all_asked_and_accepted(&self, titles: &[String]) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        for titles in titles.chunks(1000) {
            let counts = self
                .ask(Method::POST, "submits", Some(json!({ "titles": titles })))
                .await;
            let counts = counts.as_array().expect("counts are a list");
            let number = |count: &Value, name: &str| count[name].as_u64().expect("a number");
            let read = |count| (number(count, "asked"), number(count, "accepted"));
            all.extend(counts.iter().map(read));
        }
        all
    }

    /// The tasks with a title.
    pub async fn tasks(&self, title: &str) -> Vec<Value> {
        let tasks = self.ask(Method::GET, &of_title("tasks", title), None).await;
        tasks.as_array().expect("tasks are a list").clone()
    }

    /// The ids of its tasks, at most a hundred.
    pub async fn ids(&self) -> Vec<String> {
        let tasks = self.ask(Method::GET, "tasks", None).await;
        let tasks = tasks.as_array().expect("tasks are a list");
        let ids = tasks.iter().filter_map(|task| task["task_id"].as_str());
        ids.map(str::to_owned).collect()
    }

    /// Ends the tasks that `selector` selects, or all tasks, now.
    pub async fn finish(&self, selector: Value) {
        self.ask(Method::POST, "finish", Some(selector)).await;
    }

    /// Makes a series of tasks without submits. Returns when they were made, ms since 1970.
    pub async fn make(&self, order: Value) -> i64 {
        let made = self.ask(Method::POST, "tasks", Some(order)).await;
        made["born"].as_i64().expect("a time is a number")
    }

    /// Replaces all faults.
    pub async fn set_faults(&self, faults: Value) {
        self.ask(Method::PUT, "faults", Some(faults)).await;
    }

    /// From now on it requires this key instead of [`Upstream::key`].
    pub async fn set_key(&self, key: &str) {
        self.ask(Method::PUT, "key", Some(json!({ "key": key })))
            .await;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it in order; a simulator that hangs on purpose takes a moment.
    pub async fn stop(self) {
        self.process.stop(Duration::from_secs(10)).await;
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self
            .http
            .request(method, format!("{}/simulator/{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the simulator answers");
        let status = answer.status();
        let text = answer.text().await.expect("the simulator answers");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).expect("the simulator answers with JSON")
    }
}

fn of_title(path: &str, title: &str) -> String {
    let title: String = url::form_urlencoded::byte_serialize(title.as_bytes()).collect();
    format!("{path}?title={title}")
}
