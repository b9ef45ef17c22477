//! Reads of tasks. No client may see a task go back or disappear.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Load;
use super::users::User;
use harness::lock;

/// The most tasks in one fetch: a user's latest.
const MOST: usize = 200;

/// The latest state that a client saw of each task, by the user's id.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<i64, Vec<Latest>>>);

#[derive(Debug)]
struct Latest {
    id: String,
    /// The status, once it is final.
    end: Option<String>,
    progress: u64,
    /// When the state was read. An answer to an earlier request may be older.
    at: Instant,
}

impl Seen {
    /// A task exists from now on.
    pub fn expect(&self, user: i64, id: &str) {
        let mut seen = lock(&self.0);
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
        let seen = lock(&self.0);
        let tasks = seen.get(&user).map_or(&[][..], Vec::as_slice);
        let latest = tasks.iter().rev().take(MOST);
        latest.map(|latest| latest.id.clone()).collect()
    }

    /// Panics if a task went back. `requested`: when the request was sent.
    fn check(&self, user: i64, task: &Value, requested: Instant) {
        let mut seen = lock(&self.0);
        let mut tasks = seen.entry(user).or_default().iter_mut().rev();
        let Some(latest) = tasks.find(|latest| task["task_id"] == *latest.id) else {
            return;
        };
        if requested < latest.at {
            return;
        }
        latest.at = Instant::now();
        let status = task["status"].as_str().expect("a status is a text");
        let progress = task["progress"].as_str().unwrap_or_default();
        let progress = progress.trim_end_matches('%').parse();
        let progress: u64 = progress.expect("progress is a number");
        let id = &latest.id;
        if let Some(end) = &latest.end {
            assert_eq!(end, status, "{id} had ended");
        }
        assert!(progress >= latest.progress, "{id} went back: {task}");
        latest.progress = progress;
        if status == "SUCCESS" || status == "FAILURE" {
            latest.end = Some(status.to_owned());
        }
    }
}

impl Load {
    /// Reads a user's latest tasks by a fetch or in the listing. A fetch must return them all.
    pub(super) async fn read(&self, user: &User, random: &mut StdRng) {
        let client = &user.client;
        let url = &client.url;
        let known = self.seen.latest(client.id);
        let fetch = random.random_bool(0.5);
        let request = if fetch {
            let request = client.http.post(format!("{url}/suno/fetch"));
            let request = request.bearer_auth(&user.keys[0]);
            request.json(&json!({ "ids": known }))
        } else {
            let url = format!("{url}/api/task/self?page_size=100");
            let request = client.http.get(url).bearer_auth(&client.token);
            request.header("New-Api-User", client.id)
        };
        let requested = Instant::now();
        let answer = async {
            let answer = request.timeout(Duration::from_secs(15)).send().await?;
            let status = answer.status().as_u16();
            Ok::<_, reqwest::Error>((status, answer.json::<Value>().await?))
        };
        let Ok((status, answer)) = answer.await else {
            return self.counters.count("read without an answer");
        };
        self.counters.count(format!("read, answered {status}"));
        let data = &answer["data"];
        let Some(tasks) = data["items"].as_array().or(data.as_array()) else {
            assert!(status >= 500, "no tasks: {status} {answer}");
            return;
        };
        for task in tasks {
            self.seen.check(client.id, task, requested);
        }
        if fetch {
            let is_lost = |id: &&String| tasks.iter().all(|task| task["task_id"] != ***id);
            let lost = known.iter().find(is_lost);
            assert!(lost.is_none(), "{lost:?} is lost");
        }
    }
}
