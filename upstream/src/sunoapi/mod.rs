//! The driver of the dialects `sunoapi` and `kie` of the platform `suno` (`docs/upstreams/sunoapi.md`): vendors whose
//! answers are HTTP 200 with the real status in the body, and that tell of one task a call.
//!
//! | module | what it does |
//! |---|---|
//! | `tables` | paths, codes, statuses and models |
//! | `request` | makes the vendor's request of ours |
//! | `answer` | reads the vendor's JSON, and makes clips and lyrics of ours |
//! | [`outcome`] | says what an answer means for the task and the channel |

mod answer;
pub mod outcome;
mod request;
mod tables;

use std::time::Duration;

use async_trait::async_trait;
use shared::store::channels::Channel;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Dialect, Platform};

use crate::http::{Call, Http, Sent};
use crate::suno::Suno;
use crate::{Asked, FetchOutcome, Limits, Refusal, Submission, SubmitOutcome, Upstream};
pub use tables::{KIE, SUNOAPI, Vendor};

/// The most bytes that are read of an answer about one task: 4 MiB.
const LARGEST_ANSWER: usize = 4 << 20;

/// The driver of one of the dialects.
pub struct SunoApi {
    http: Http,
    vendor: &'static Vendor,
    /// Results and requests are those of the platform.
    suno: Suno,
}

impl SunoApi {
    /// A driver that calls this vendor through `http`.
    pub fn new(http: Http, vendor: &'static Vendor) -> Self {
        Self {
            suno: Suno::new(http.clone()),
            http,
            vendor,
        }
    }
}

#[async_trait]
impl Upstream for SunoApi {
    fn platform(&self) -> Platform {
        Platform::SUNO
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(self.vendor.dialect)
    }

    fn limits(&self) -> Limits {
        Limits::ONE_BY_ONE
    }

    fn guess(&self, action: Action) -> Guess {
        self.suno.guess(action)
    }

    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let (path, body) = match request::of(submission.action, submission.request) {
            Ok(request) => request,
            Err(why) => return SubmitOutcome::Refused(Refusal::of_words(why)),
        };
        let call = Call {
            path,
            sent: Sent::Once(body.to_string(), submission.task.as_str()),
            largest: LARGEST_ANSWER,
        };
        outcome::of_submit(&self.http.submits.call(channel, call).await, self.vendor)
    }

    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome {
        let [one] = asked else {
            // Callers keep to the limit.
            return FetchOutcome::IdsRefused;
        };
        let call = Call {
            path: tables::fetch_path(one.action),
            sent: Sent::Query("taskId", &one.upstream_id),
            largest: LARGEST_ANSWER,
        };
        outcome::of_fetch(
            &self.http.fetches.call(channel, call).await,
            one,
            self.vendor,
        )
    }

    async fn test(&self, channel: &Channel) -> Result<Duration, String> {
        let path = tables::fetch_path(Action::SONG);
        let call = Call {
            path,
            sent: Sent::Query("taskId", tables::NO_TASK),
            largest: LARGEST_ANSWER,
        };
        let reply = self.http.fetches.call(channel, call).await;
        outcome::of_test(&reply, path, !channel.key.expose().is_empty(), self.vendor)
    }

    fn continued_id(&self, request: &str) -> Option<String> {
        self.suno.continued_id(request)
    }

    fn failed_result(&self, result: &str) -> String {
        self.suno.failed_result(result)
    }
}
