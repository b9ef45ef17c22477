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

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use shared::store::channels::Channel;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Platform};

use crate::http::{Call, Http, Sent};
use crate::suno::{Suno, inputs};
use crate::{Asked, Entry, FetchOutcome, Limits, Refusal, Submission, SubmitOutcome, Upstream};
use request::Covered;
pub use tables::{KIE, SUNOAPI, Vendor};

/// The most bytes that are read of an answer about one task: 4 MiB.
const LARGEST_ANSWER: usize = 4 << 20;

/// The dialect of sunoapi.org.
pub const ENTRY: Entry = entry(&SUNOAPI, |http| driver(http, &SUNOAPI));
/// The dialect of kie.ai.
pub const ENTRY_OF_KIE: Entry = entry(&KIE, |http| driver(http, &KIE));

const fn entry(vendor: &Vendor, driver: fn(Http) -> Box<dyn Upstream>) -> Entry {
    Entry {
        platform: Platform::SUNO,
        dialect: Some(vendor.dialect),
        inputs: &inputs::INPUTS,
        driver,
    }
}

fn driver(http: Http, vendor: &'static Vendor) -> Box<dyn Upstream> {
    Box::new(SunoApi::new(http, vendor))
}

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

impl SunoApi {
    /// The address of a clip, of which the vendor tells. `Err`: what that means for the task that covers the clip.
    async fn address(&self, channel: &Channel, covered: &Covered) -> Result<String, SubmitOutcome> {
        let asked = Asked::new(&*covered.task, Action::SONG);
        let known = match self.fetch(channel, std::slice::from_ref(&asked)).await {
            FetchOutcome::Answered(known) => known,
            FetchOutcome::IdsRefused | FetchOutcome::TooLarge(_) => HashMap::new(),
            FetchOutcome::Failed(trouble) => return Err(SubmitOutcome::NotArrived(trouble)),
            FetchOutcome::NotConnected(why) => return Err(SubmitOutcome::NotConnected(why)),
        };
        let made = known.get(&covered.task).and_then(|of| of.data.as_deref());
        let address = made.and_then(|made| answer::address(made.get(), &covered.clip));
        address.ok_or_else(|| {
            let words = "the upstream does not know the clip to cover any more".to_owned();
            SubmitOutcome::Refused(Refusal::of_words(words))
        })
    }
}

#[async_trait]
impl Upstream for SunoApi {
    fn limits(&self) -> Limits {
        Limits::ONE_BY_ONE
    }

    fn guess(&self, action: Action) -> Guess {
        self.suno.guess(action)
    }

    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let mut request = match request::of(submission.action, submission.request, submission.hook)
        {
            Ok(request) => request,
            Err(why) => return SubmitOutcome::Refused(Refusal::of_words(why)),
        };
        if let Some(covered) = &request.covers {
            match self.address(channel, covered).await {
                Ok(address) => request.cover(address),
                Err(outcome) => return outcome,
            }
        }
        let body = Value::Object(request.body).to_string();
        let call = Call {
            path: request.path,
            sent: Sent::Once(body, submission.task.as_str()),
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
