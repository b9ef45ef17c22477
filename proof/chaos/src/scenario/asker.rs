//! A patient client: asks under an idempotency key until it is answered, and notes every answer.

use std::time::Duration;

use futures_util::StreamExt as _;
use harness::client::{Answer, Client};
use harness::wait::eventually;
use serde_json::{Value, json};

use crate::check::Expected;
use crate::record::{Answered, Asked, Record};
use crate::site::{Setup, Site};

/// How long it goes on asking.
const PATIENCE: Duration = Duration::from_mins(2);

/// How many submits it has open at once, at most.
const AT_ONCE: usize = 8;

/// More than any scenario spends.
const PLENTY: i64 = 1_000_000_000;

/// A setup whose submits are given time: a machine that stands still for three seconds, as a busy one
/// does, must not make a submit one of unknown outcome where that is not what is tried.
pub fn patient() -> Setup {
    Setup::default().env("UPSTREAM_SUBMIT_TIMEOUT", "20s")
}

/// A user of a site, and what it asked for.
#[derive(Debug)]
pub struct Asker {
    /// The user.
    pub client: Client,
    record: Record,
}

impl Asker {
    /// A new user with more quota than it needs.
    pub async fn new(site: &Site, name: &str) -> Self {
        Self {
            client: site.user(name, PLENTY, None).await,
            record: Record::default(),
        }
    }

    /// Asks for a song of this title, which nothing else on the site may have; returns its task's id.
    pub async fn song(&self, title: &str) -> String {
        let body = json!({"title": title, "prompt": "la"});
        self.submit("music", title, &body).await
    }

    /// Asks for lyrics by this prompt.
    pub async fn lyrics(&self, prompt: &str) -> String {
        // The upstream looks at the prompt, the books at the title.
        let body = json!({"title": prompt, "prompt": prompt});
        self.submit("lyrics", prompt, &body).await
    }

    async fn submit(&self, action: &str, title: &str, body: &Value) -> String {
        let mut answers = Vec::new();
        let task = eventually(PATIENCE, "a submit to be answered", async || {
            let answer = self.client.submit_once(action, body, Some(title)).await;
            let Answer { status, text, .. } = answer;
            answers.push(Answered::read(status, &text));
            match answers.last() {
                Some(Answered::Task(id)) => Some(id.clone()),
                Some(Answered::Refused(status)) => panic!("{title:?} was refused: {status} {text}"),
                _ => None,
            }
        })
        .await;
        self.record.note(Asked {
            title: title.to_owned(),
            user: self.client.id,
            answers,
        });
        task
    }

    /// Asks for many songs, eight at once; returns their tasks' ids in the order of `titles`.
    pub async fn songs(&self, titles: &[String]) -> Vec<String> {
        let asked = futures_util::stream::iter(titles).map(|title| self.song(title));
        asked.buffered(AT_ONCE).collect().await
    }

    /// What it asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.record.all()
    }

    /// The task, which must end in SUCCESS.
    pub async fn succeeds(&self, id: &str, within: Duration) -> Value {
        let task = self.client.end_of(id, within).await;
        assert_eq!(task["status"], "SUCCESS", "{task}");
        task
    }

    /// The tasks, which must all end in SUCCESS.
    pub async fn all_succeed(&self, ids: &[String], within: Duration) {
        for task in self.client.ends_of(ids, within).await {
            assert_eq!(task["status"], "SUCCESS", "{task}");
        }
    }

    /// Why the task failed, which it must, with its quota given back.
    pub async fn fails(&self, id: &str, within: Duration) -> String {
        let task = self.client.end_of(id, within).await;
        assert_eq!(task["status"], "FAILURE", "{task}");
        let reason = task["fail_reason"].as_str().expect("a reason is a text");
        assert!(!reason.is_empty(), "{task}");
        reason.to_owned()
    }

    /// What the books must show of it.
    pub fn expected(&self) -> Expected {
        Expected {
            asked: self.asked(),
            granted: [(self.client.name.clone(), PLENTY)].into(),
            parked: false,
        }
    }
}

/// So many titles that begin with this word.
pub fn titles(word: &str, many: usize) -> Vec<String> {
    (0..many).map(|number| format!("{word} {number}")).collect()
}
