//! What clients asked for, and what they were told.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One thing that a client wants, asked for once or, under an idempotency key, many times.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its title: no other has it.
    pub title: String,
    /// The user's id.
    pub user: i64,
    /// What came back, an entry a request.
    pub answers: Vec<Answered>,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// 200: this task.
    Task(String),
    /// An answer that says that nothing was taken: its status.
    Refused(u16),
    /// An answer that leaves it open (5xx), or none at all.
    Open,
}

impl Answered {
    /// Reads an answer of `/suno/submit`. Panics at one that the contract does not know.
    pub fn read(status: u16, body: &str) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        match (status, json["code"].as_str()) {
            (200, Some("success")) => {
                let task = json["data"]
                    .as_str()
                    .expect("a submit is answered with an id");
                Self::Task(task.to_owned())
            }
            // Nothing was taken, says the contract; a 503 is `no_available_channel` or a busy site.
            (403, Some("quota_not_enough")) => Self::Refused(status),
            (500, Some("internal_error")) | (503, Some(_)) => Self::Open,
            _ => panic!("no answer of the contract's: {status} {body}"),
        }
    }
}

impl Asked {
    /// The ids that it was answered with.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().filter_map(|answer| match answer {
            Answered::Task(id) => Some(id.as_str()),
            Answered::Refused(_) | Answered::Open => None,
        })
    }
}

/// Everything that was asked for in a run.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Asked>>);

impl Record {
    /// Notes something, whole.
    pub fn note(&self, asked: Asked) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
    }

    /// All of it.
    pub fn all(&self) -> Vec<Asked> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
