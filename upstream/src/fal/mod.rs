//! The driver of the platform `fal` (`docs/upstreams/fal.md`): a vendor that runs models of many makers from a queue. The
//! model is a part of the path of a submit; the answer says what to call later on.
//!
//! | module | what it does |
//! |---|---|
//! | `tables` | statuses, results and cancels |
//! | [`inputs`] | what we read of requests |
//! | `request` | makes the vendor's request of ours |
//! | `handle` | keeps what an answer says is to be called later |
//! | `answer` | reads the vendor's JSON, and makes clips of ours |
//! | [`outcome`] | says what an answer means for the task and the channel |

mod answer;
mod handle;
pub mod inputs;
pub mod outcome;
mod request;
mod tables;

use std::time::Duration;

use async_trait::async_trait;
use shared::store::channels::Channel;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Platform};

use crate::http::{Call, Http, Reply, Sent};
use crate::results::failed_result;
use crate::{
    Asked, CancelOutcome, Entry, FetchOutcome, Limits, Refusal, Submission, SubmitOutcome, Upstream,
};
use handle::Handle;

/// The most bytes that are read of a result: 4 MiB.
const LARGEST_RESULT: usize = 4 << 20;
/// The most bytes that are read of any other answer: 1 MiB.
const LARGEST_ANSWER: usize = 1 << 20;

/// The platform.
pub const ENTRY: Entry = Entry {
    platform: Platform::FAL,
    dialect: None,
    inputs: &inputs::INPUTS,
    driver: |http| Box::new(Fal::new(http)),
};

/// The driver of the platform `fal`.
pub struct Fal {
    http: Http,
}

impl Fal {
    /// A driver that calls through `http`.
    pub fn new(http: Http) -> Self {
        Self {
            http: http.with_scheme(tables::SCHEME),
        }
    }

    /// Calls a path that the channel gave.
    async fn call_given(
        &self,
        channel: &Channel,
        path: &str,
        sent: Sent<'_>,
        largest: usize,
    ) -> Reply {
        let call = Call {
            path,
            sent,
            largest,
        };
        self.http.fetches.call_from_root(channel, call).await
    }
}

#[async_trait]
impl Upstream for Fal {
    fn limits(&self) -> Limits {
        Limits::ONE_BY_ONE
    }

    fn guess(&self, _: Action) -> Guess {
        Guess {
            median: Duration::from_mins(1),
            sigma: 0.8,
        }
    }

    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let (path, body) = match request::of(submission.action, submission.request) {
            Ok(request) => request,
            Err(why) => return SubmitOutcome::Refused(Refusal::of_words(why)),
        };
        let call = Call {
            path: &path,
            sent: Sent::Once(body, submission.task.as_str()),
            largest: LARGEST_ANSWER,
        };
        let reply = self.http.submits.call(channel, call).await;
        outcome::of_submit(&reply, &channel.base_url)
    }

    /// Asks for the status and, of a request that is finished, for the result. Both calls together take no longer than
    /// one may.
    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome {
        let [one] = asked else {
            // Callers keep to the limit.
            return FetchOutcome::IdsRefused;
        };
        let Some(handle) = Handle::read(&one.upstream_id) else {
            return FetchOutcome::IdsRefused;
        };
        let status = self.call_given(channel, handle.status, Sent::Nothing, LARGEST_ANSWER);
        let status = status.await;
        if let Some(outcome) = outcome::of_status(&status, one) {
            return outcome;
        }
        let result = self.call_given(channel, handle.response, Sent::Nothing, LARGEST_RESULT);
        let left = self.http.fetches.timeout().saturating_sub(after(&status));
        let result = tokio::time::timeout(left, result).await;
        let timed_out = |_| Reply::NoResponse("timed out after its status was told".to_owned());
        outcome::of_result(&result.unwrap_or_else(timed_out), one)
    }

    async fn cancel(&self, channel: &Channel, asked: &Asked) -> CancelOutcome {
        let Some(handle) = Handle::read(&asked.upstream_id) else {
            return CancelOutcome::NoSuchTask;
        };
        let Some(path) = handle.cancel else {
            // The vendor told no way to stop it.
            return CancelOutcome::TooLate;
        };
        let reply = self.call_given(channel, path, Sent::Put, LARGEST_ANSWER);
        outcome::of_cancel(&reply.await, &handle)
    }

    async fn test(&self, channel: &Channel) -> Result<Duration, String> {
        let call = Call {
            path: tables::NOBODYS,
            sent: Sent::Nothing,
            largest: LARGEST_ANSWER,
        };
        let reply = self.http.fetches.call(channel, call).await;
        outcome::of_test(&reply, !channel.key.expose().is_empty())
    }

    fn continued_id(&self, _: &str) -> Option<String> {
        None
    }

    fn failed_result(&self, result: &str) -> String {
        failed_result(result)
    }
}

/// How long a call took that was answered.
fn after(reply: &Reply) -> Duration {
    match reply {
        Reply::Response(response) => response.after,
        Reply::NotConnected(_) | Reply::NoResponse(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
