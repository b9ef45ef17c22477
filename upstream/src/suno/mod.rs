//! The driver of the platform `suno` (`docs/upstreams/suno.md`): the open Suno-API server, and
//! gateways that speak the same dialect.
//!
//! | module | what it does |
//! |---|---|
//! | [`answer`] | reads an upstream's JSON |
//! | `result` | results as they are stored |
//! | [`outcome`] | says what an HTTP answer means for the task and the channel |
//! | `trial` | says what the answer to a harmless call means for the address and the key |

pub mod answer;
pub mod inputs;
pub mod outcome;
pub(crate) mod result;
mod trial;

use std::time::Duration;

use async_trait::async_trait;
use shared::json;
use shared::store::channels::Channel;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Platform};

use super::http::{Call, Http, Sent};
use super::{Asked, FetchOutcome, Limits, Refusal, Submission, SubmitOutcome, Upstream};

/// The path of a fetch.
const FETCH: &str = "/suno/fetch";
/// The most bytes that are read of the answer to a submit: 1 MiB.
const LARGEST_SUBMIT_ANSWER: usize = 1 << 20;
/// The most bytes that are read of the answer to a fetch of up to a hundred tasks: 16 MiB.
const LARGEST_FETCH_ANSWER: usize = 16 << 20;

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
    fn platform(&self) -> Platform {
        Platform::SUNO
    }

    fn limits(&self) -> Limits {
        Limits::BATCHES
    }

    fn guess(&self, action: Action) -> Guess {
        let seconds = if action == Action::LYRICS { 12 } else { 90 };
        Guess {
            median: Duration::from_secs(seconds),
            sigma: 0.8,
        }
    }

    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let path = match submission.action {
            Action::SONG => "/suno/submit/music",
            Action::LYRICS => "/suno/submit/lyrics",
            other => {
                return SubmitOutcome::Refused(Refusal::of_words(format!("suno makes no {other}")));
            }
        };
        let call = Call {
            path,
            sent: Sent::Once(submission.request.to_owned(), submission.task.as_str()),
            largest: LARGEST_SUBMIT_ANSWER,
        };
        outcome::of_submit(&self.http.submits.call(channel, call).await)
    }

    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome {
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
        result::failed_result(result)
    }
}
