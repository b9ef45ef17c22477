//! A client that looks at its tasks, and must never see one go back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Load;
use super::people::Person;

/// How many tasks it asks for at once.
const MOST: usize = 200;

/// The latest state of each task that somebody was told of.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<i64, Vec<Latest>>>);

#[derive(Debug)]
struct Latest {
    id: String,
    /// Set once it ended.
    end: Option<String>,
    progress: u64,
    /// When that was seen: an answer to somebody who asked before may be older.
    at: Instant,
}

impl Seen {
    /// A task that is there from now on.
    pub fn expect(&self, user: i64, id: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = seen.entry(user).or_default();
        if tasks.iter().rev().take(MOST).all(|latest| latest.id != id) {
            tasks.push(Latest {
                id: id.to_owned(),
                end: None,
                progress: 0,
                at: Instant::now(),
            });
        }
    }

    fn latest(&self, user: i64) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = seen.get(&user).map_or(&[][..], Vec::as_slice);
        tasks
            .iter()
            .rev()
            .take(MOST)
            .map(|latest| latest.id.clone())
            .collect()
    }

    /// Panics where a task went back; `asked` is when the answer was asked for.
    fn look(&self, user: i64, task: &Value, asked: Instant) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = seen.entry(user).or_default();
        let Some(latest) = tasks
            .iter_mut()
            .rev()
            .find(|latest| task["task_id"] == *latest.id)
        else {
            return;
        };
        if asked < latest.at {
            return;
        }
        latest.at = Instant::now();
        let status = task["status"].as_str().expect("a status is a text");
        let progress = task["progress"].as_str().unwrap_or_default();
        let progress: u64 = progress
            .trim_end_matches('%')
            .parse()
            .expect("progress is a number");
        if let Some(end) = &latest.end {
            assert_eq!(end, status, "{} had ended", latest.id);
        }
        assert!(
            progress >= latest.progress,
            "{} fell back: {task}",
            latest.id
        );
        latest.progress = progress;
        if status == "SUCCESS" || status == "FAILURE" {
            latest.end = Some(status.to_owned());
        }
    }
}

impl Load {
    /// Looks at the latest tasks of a person, one way or the other.
    pub(super) async fn look(&self, person: &Person, random: &mut StdRng) {
        let client = &person.client;
        let base = client.base.lock().expect("nobody panicked").clone();
        let known = self.seen.latest(client.id);
        let (listing, request) = if random.random_bool(0.5) {
            let request = client.http.post(format!("{base}/suno/fetch"));
            let request = request.bearer_auth(&person.keys[0]);
            (false, request.json(&json!({ "ids": known })))
        } else {
            let request = client
                .http
                .get(format!("{base}/api/task/self?page_size=100"));
            let request = request.bearer_auth(&client.token);
            (true, request.header("New-Api-User", client.id))
        };
        let asked = Instant::now();
        let Ok(answer) = request.timeout(Duration::from_secs(15)).send().await else {
            return self.tally.count("looked in vain");
        };
        let status = answer.status().as_u16();
        let Ok(answer) = answer.json::<Value>().await else {
            return self.tally.count("looked in vain");
        };
        self.tally.count(format!("looked, answered {status}"));
        let Some(tasks) = answer["data"]["items"]
            .as_array()
            .or(answer["data"].as_array())
        else {
            assert!(status >= 500, "no tasks: {status} {answer}");
            return;
        };
        for task in tasks {
            self.seen.look(client.id, task, asked);
        }
        if !listing {
            let lost = known
                .iter()
                .find(|id| tasks.iter().all(|task| task["task_id"] != ***id));
            assert!(lost.is_none(), "{lost:?} is lost");
        }
    }
}
