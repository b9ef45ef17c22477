//! The driver of the platform `suno` (`docs/upstreams/suno.md`): the open Suno-API server, and
//! gateways that speak the same dialect.
//!
//! | module | what it does |
//! |---|---|
//! | [`actions`] | what each action is at an upstream |
//! | [`inputs`] | what we read of requests |
//! | [`answer`] | reads an upstream's JSON |
//! | `made` | reads results that come in the answer to a submit |
//! | `act` | reads the answers to actions that make no task |
//! | [`outcome`] | says what an HTTP answer means for the task and the channel |
//! | `trial` | says what the answer to a harmless call means for the address and the key |

mod act;
pub mod actions;
pub mod answer;
pub mod inputs;
mod made;
pub mod outcome;
mod trial;

use std::time::Duration;

use async_trait::async_trait;
use shared::json;
use shared::store::channels::Channel;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Platform};

use super::http::{Call, Client, Http, Reply, Sent};
use super::{Asked, Entry, FetchOutcome, Limits, Refusal, Submission, SubmitOutcome, Upstream};
use crate::results::failed_result;
use actions::Way;

/// The path of a fetch.
const FETCH: &str = "/suno/fetch";
/// The path of a fetch of one task, before its id.
const FETCH_ONE: &str = "/suno/fetch/";
/// The most bytes that are read of the answer to a submit: 1 MiB.
const LARGEST_SUBMIT_ANSWER: usize = 1 << 20;
/// The most bytes that are read of the answer to a fetch of up to a hundred tasks: 16 MiB.
const LARGEST_FETCH_ANSWER: usize = 16 << 20;

/// The platform.
pub const ENTRY: Entry = Entry {
    platform: Platform::SUNO,
    dialect: None,
    inputs: &inputs::INPUTS,
    driver: |http| Box::new(Suno::new(http)),
};

/// The driver of the platform `suno`.
pub struct Suno {
    http: Http,
}

impl Suno {
    /// A driver that calls through `http`.
    pub fn new(http: Http) -> Self {
        Self { http }
    }
}

#[async_trait]
impl Upstream for Suno {
    fn limits(&self) -> Limits {
        Limits::BATCHES
    }

    fn guess(&self, action: Action) -> Guess {
        let makes_music = matches!(action, Action::SONG | Action::CONCAT | Action::STEMS);
        let seconds = if makes_music { 90 } else { 12 };
        Guess {
            median: Duration::from_secs(seconds),
            sigma: 0.8,
        }
    }

    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let refused = |words: String| SubmitOutcome::Refused(Refusal::of_words(words));
        let Some(line) = actions::of(submission.action) else {
            return refused(format!("suno makes no {}", submission.action));
        };
        if line.way == Way::Get {
            let clip = json::member(submission.request.as_bytes(), "clip_id").and_then(json::text);
            let Some(clip) = clip.filter(|clip| is_path_segment(clip.trim())) else {
                return refused("clip_id is no id of a clip".to_owned());
            };
            let clip = clip.trim();
            let reply = get(&self.http.submits, channel, line.path, clip).await;
            // Of one clip, a file of each kind may be asked for.
            let id = format!("{}{CLIP}{clip}", line.action);
            return act::of_submit(&reply, id, line.holds, channel.proven);
        }
        let call = Call {
            path: line.path,
            sent: Sent::Once(submission.request.to_owned(), submission.task.as_str()),
            largest: LARGEST_SUBMIT_ANSWER,
        };
        outcome::of_submit(&self.http.submits.call(channel, call).await, line.holds)
    }

    fn is_asked_alone(&self, action: Action) -> bool {
        actions::of(action).is_some_and(|line| line.way != Way::Post)
    }

    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome {
        if let [one] = asked
            && let Some(line) = actions::of(one.action)
            && let id = clip_of(&one.upstream_id)
            && is_path_segment(id)
        {
            let get = async |path| get(&self.http.fetches, channel, path, id).await;
            match line.way {
                Way::Post => {}
                Way::PostOfEither => return act::of_upload(&get(FETCH_ONE).await, one),
                Way::Get => return act::of_fetch(&get(line.path).await, one, line.holds),
            }
        }
        let ids: Vec<&str> = asked.iter().map(|one| &*one.upstream_id).collect();
        let request = serde_json::json!({ "ids": ids }).to_string();
        let call = Call {
            path: FETCH,
            sent: Sent::Json(request),
            largest: LARGEST_FETCH_ANSWER,
        };
        outcome::of_fetch(&self.http.fetches.call(channel, call).await, asked)
    }

    async fn test(&self, channel: &Channel) -> Result<Duration, String> {
        let call = Call {
            path: FETCH,
            sent: Sent::Json(serde_json::json!({ "ids": [trial::NO_TASK] }).to_string()),
            largest: LARGEST_SUBMIT_ANSWER,
        };
        let reply = self.http.fetches.call(channel, call).await;
        trial::of_test(&reply, !channel.key.expose().is_empty())
    }

    fn continued_id(&self, request: &str) -> Option<String> {
        json::text(json::member(request.as_bytes(), "task_id")?)
    }

    fn failed_result(&self, result: &str) -> String {
        failed_result(result)
    }
}

/// Stands between the action and the clip in the name that we give to a file of a clip: the upstream gives none.
const CLIP: char = ':';

/// The clip in such a name, and any other id as it is.
fn clip_of(upstream_id: &str) -> &str {
    upstream_id
        .split_once(CLIP)
        .map_or(upstream_id, |(_, clip)| clip)
}

/// Whether an id can stand in a path as it is.
fn is_path_segment(id: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    (1..=255).contains(&id.len()) && id.chars().all(is_plain) && !id.chars().all(|c| c == '.')
}

async fn get(client: &Client, channel: &Channel, path: &str, id: &str) -> Reply {
    let call = Call {
        path: &format!("{path}{id}"),
        sent: Sent::Nothing,
        largest: LARGEST_SUBMIT_ANSWER,
    };
    client.call(channel, call).await
}
