//! The driver of the platform `mureka` (`docs/upstreams/mureka.md`): a vendor that tells of one task a call, and answers
//! some submits with the result.
//!
//! | module | what it does |
//! |---|---|
//! | `tables` | paths, statuses and errors |
//! | [`inputs`] | what we read of requests, which reach the vendor as they are |
//! | `answer` | reads the vendor's JSON, and makes clips and lyrics of ours |
//! | [`outcome`] | says what an answer means for the task and the channel |

mod answer;
pub mod inputs;
pub mod outcome;
mod tables;

use std::time::Duration;

use async_trait::async_trait;
use shared::json;
use shared::store::channels::Channel;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Platform};

use crate::http::{Call, Http, Reply, Sent, segment};
use crate::results::failed_result;
use crate::{Asked, Entry, FetchOutcome, Limits, Refusal, Submission, SubmitOutcome, Upstream};

/// The most bytes that are read of an answer: 4 MiB.
const LARGEST_ANSWER: usize = 4 << 20;

/// The platform.
pub const ENTRY: Entry = Entry {
    platform: Platform::MUREKA,
    dialect: None,
    inputs: &inputs::INPUTS,
    driver: |http| Box::new(Mureka::new(http)),
};

/// The driver of the platform `mureka`.
pub struct Mureka {
    http: Http,
}

impl Mureka {
    /// A driver that calls through `http`.
    pub fn new(http: Http) -> Self {
        Self { http }
    }

    async fn account(&self, channel: &Channel) -> Reply {
        self.get(channel, tables::BILLING).await
    }

    async fn get(&self, channel: &Channel, path: &str) -> Reply {
        let call = Call {
            path,
            sent: Sent::Nothing,
            largest: LARGEST_ANSWER,
        };
        self.http.fetches.call(channel, call).await
    }
}

#[async_trait]
impl Upstream for Mureka {
    fn limits(&self) -> Limits {
        Limits {
            tells_most_tasks: true,
            ..Limits::ONE_BY_ONE
        }
    }

    fn guess(&self, action: Action) -> Guess {
        let seconds = if action == Action::LYRICS { 12 } else { 60 };
        Guess {
            median: Duration::from_secs(seconds),
            sigma: 0.8,
        }
    }

    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let action = submission.action;
        let Some(known) = tables::call(action) else {
            return SubmitOutcome::Refused(Refusal::of_words(format!("mureka makes no {action}")));
        };
        let call = Call {
            path: known.submit,
            sent: Sent::Once(submission.request.to_owned(), submission.task.as_str()),
            largest: LARGEST_ANSWER,
        };
        outcome::of_submit(&self.http.submits.call(channel, call).await, action)
    }

    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome {
        let [one] = asked else {
            // Callers keep to the limit.
            return FetchOutcome::IdsRefused;
        };
        let query = tables::call(one.action).map(|call| call.query);
        let Some((query, id)) = query.zip(segment(one.upstream_id.trim())) else {
            return FetchOutcome::IdsRefused;
        };
        let reply = self.get(channel, &format!("{query}{id}")).await;
        outcome::of_fetch(&reply, one)
    }

    async fn most_tasks(&self, channel: &Channel) -> Result<Option<u32>, String> {
        let has_key = !channel.key.expose().is_empty();
        let account = outcome::of_account(&self.account(channel).await, has_key)?;
        Ok(account.most_tasks)
    }

    async fn test(&self, channel: &Channel) -> Result<Duration, String> {
        let has_key = !channel.key.expose().is_empty();
        let account = outcome::of_account(&self.account(channel).await, has_key)?;
        Ok(account.after)
    }

    /// A request names the song itself, and not its task: the words for the client need not show that either.
    fn continued_id(&self, request: &str) -> Option<String> {
        json::text(json::member(request.as_bytes(), "song_id")?)
    }

    fn failed_result(&self, result: &str) -> String {
        failed_result(result)
    }
}
