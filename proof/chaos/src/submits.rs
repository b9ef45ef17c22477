//! The submits of a run, with every answer that a client got.

use serde_json::Value;
use std::sync::Mutex;

use harness::lock;

/// One song or lyrics that a client wants: submitted once, or repeated under an idempotency key.
#[derive(Debug, Clone)]
pub struct Submit {
    /// No other submit of the run has this title.
    pub title: String,
    pub user: i64,
    /// One entry per request.
    pub answers: Vec<SubmitAnswer>,
}

/// What a client knows after one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// 200: the task with this id exists.
    Task(String),
    /// No task was made; the HTTP status.
    Refused(u16),
    /// A 5xx, or no answer: the task may exist.
    Unknown,
}

impl SubmitAnswer {
    /// Reads an answer of `/suno/submit/…`. Panics if the contract does not allow this answer.
    pub fn read(status: u16, body: &str) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        match (status, json["code"].as_str()) {
            (200, Some("success")) => {
                let task = json["data"].as_str();
                Self::Task(task.expect("a submit is answered with an id").to_owned())
            }
            (403, Some("quota_not_enough")) => Self::Refused(status),
            // A 503 means `no_available_channel`, or that the API is overloaded.
            (500, Some("internal_error")) | (503, Some(_)) => Self::Unknown,
            _ => panic!("the contract does not allow this answer: {status} {body}"),
        }
    }
}

impl Submit {
    /// The ids in its answers.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().filter_map(|answer| match answer {
            SubmitAnswer::Task(id) => Some(id.as_str()),
            SubmitAnswer::Refused(_) | SubmitAnswer::Unknown => None,
        })
    }
}

#[derive(Debug, Default)]
pub struct SubmitLog(Mutex<Vec<Submit>>);

impl SubmitLog {
    /// Adds a submit that gets no more answers.
    pub fn add(&self, submit: Submit) {
        lock(&self.0).push(submit);
    }

    pub fn all(&self) -> Vec<Submit> {
        lock(&self.0).clone()
    }
}
