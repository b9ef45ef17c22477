//! The drivers of all platforms and dialects; their calls are counted and timed.

use std::time::Duration;

use metrics::{counter, histogram};
use shared::clock::{Clock, Millis, SharedClock};
use shared::store::channels::Channel;
use shared::task::Action;
use shared::task::looks::chances::Guess;
use shared::task::scrub::Scrub;

use crate::connect::{Blame, NoConnection};
use crate::http::Http;
use crate::outcomes::{LOCAL, NO_CONNECTION};
use crate::{
    Asked, CancelOutcome, ENTRIES, Entry, FetchOutcome, Limits, Submission, SubmitOutcome, Trouble,
    Upstream,
};

/// The drivers of all platforms and dialects that this worker can call.
pub struct Upstreams {
    drivers: Vec<(&'static Entry, Box<dyn Upstream>)>,
    clock: SharedClock,
}

impl Upstreams {
    /// All drivers. `Err`: no HTTP client could be made.
    pub fn new(
        submit_timeout: Duration,
        fetch_timeout: Duration,
        clock: SharedClock,
    ) -> Result<Self, reqwest::Error> {
        let http = Http::new(submit_timeout, fetch_timeout, clock.clone())?;
        Ok(Self {
            drivers: ENTRIES
                .iter()
                .map(|entry| (entry, (entry.driver)(http.clone())))
                .collect(),
            clock,
        })
    }

    /// The driver of the channel. `None`: only a newer worker has one.
    pub fn driver(&self, channel: &Channel) -> Option<Driver<'_>> {
        let (_, upstream) = self.drivers.iter().find(|(entry, _)| {
            entry.platform == channel.platform && entry.dialect == channel.dialect
        })?;
        let upstream = &**upstream;
        let clock = &*self.clock;
        Some(Driver { upstream, clock })
    }
}

/// A driver whose calls are counted and timed.
#[derive(Clone, Copy)]
pub struct Driver<'a> {
    upstream: &'a dyn Upstream,
    clock: &'a dyn Clock,
}

impl Driver<'_> {
    /// See [`Upstream::limits`].
    pub fn limits(self) -> Limits {
        self.upstream.limits()
    }

    /// See [`Upstream::guess`].
    pub fn guess(self, action: Action) -> Guess {
        self.upstream.guess(action)
    }

    /// See [`Upstream::is_asked_alone`].
    pub fn is_asked_alone(self, action: Action) -> bool {
        self.upstream.is_asked_alone(action)
    }

    /// See [`Upstream::submit`].
    pub async fn submit(self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome {
        let started = self.clock.now();
        let mut outcome = self.upstream.submit(channel, submission).await;
        if let SubmitOutcome::Refused(refusal) = &outcome
            && refusal.is_no_such_path
            && !channel.proven
        {
            outcome = SubmitOutcome::NotArrived(Trouble::wrong_address(&refusal.what));
        }
        let label = match &outcome {
            SubmitOutcome::Accepted(_) | SubmitOutcome::Made(_) => "ok",
            SubmitOutcome::Refused(_) => "refused",
            SubmitOutcome::NotArrived(trouble) => trouble.outcome,
            SubmitOutcome::NotConnected(why) => label_of(why),
            SubmitOutcome::Unknown(_) => "unknown",
        };
        self.count(channel, "submit", label, started);
        outcome
    }

    /// See [`Upstream::fetch`].
    pub async fn fetch(self, channel: &Channel, asked: &[Asked]) -> FetchOutcome {
        let started = self.clock.now();
        let outcome = self.upstream.fetch(channel, asked).await;
        let label = match &outcome {
            FetchOutcome::Answered(_) => "ok",
            FetchOutcome::IdsRefused => "refused",
            FetchOutcome::TooLarge(_) => "too_large",
            FetchOutcome::Failed(trouble) => trouble.outcome,
            FetchOutcome::NotConnected(why) => label_of(why),
        };
        self.count(channel, "fetch", label, started);
        counter!("task_center_upstream_fetched_ids_total", "channel" => channel.name.clone())
            .increment(asked.len() as u64);
        outcome
    }

    /// See [`Upstream::cancel`].
    pub async fn cancel(self, channel: &Channel, asked: &Asked) -> CancelOutcome {
        let started = self.clock.now();
        let outcome = self.upstream.cancel(channel, asked).await;
        let label = match &outcome {
            CancelOutcome::Cancelled | CancelOutcome::AskedFor => "ok",
            CancelOutcome::TooLate | CancelOutcome::NoSuchTask => "refused",
            // No call was made.
            CancelOutcome::NotPossible => return outcome,
            CancelOutcome::Failed(trouble) => trouble.outcome,
            CancelOutcome::NotConnected(why) => label_of(why),
        };
        self.count(channel, "cancel", label, started);
        outcome
    }

    /// See [`Upstream::most_tasks`]. The words are scrubbed of the key. The call is not counted.
    pub async fn most_tasks(self, channel: &Channel) -> Result<Option<u32>, String> {
        let told = self.upstream.most_tasks(channel).await;
        told.map_err(|what| scrub_of_key(channel).reason(&what))
    }

    /// See [`Upstream::test`]. The words are scrubbed of the key. The call is not counted.
    pub async fn test(self, channel: &Channel) -> Result<Duration, String> {
        let tested = self.upstream.test(channel).await;
        tested.map_err(|what| scrub_of_key(channel).reason(&what))
    }

    /// See [`Upstream::continued_id`].
    pub fn continued_id(self, request: &str) -> Option<String> {
        self.upstream.continued_id(request)
    }

    /// See [`Upstream::failed_result`].
    pub fn failed_result(self, result: &str) -> String {
        self.upstream.failed_result(result)
    }

    fn count(self, channel: &Channel, call: &'static str, outcome: &'static str, started: Millis) {
        counter!("task_center_upstream_calls_total",
            "channel" => channel.name.clone(), "call" => call, "outcome" => outcome)
        .increment(1);
        histogram!("task_center_upstream_call_seconds",
            "channel" => channel.name.clone(), "call" => call)
        .record(self.clock.now().since(started).as_secs_f64());
    }
}

fn scrub_of_key(channel: &Channel) -> Scrub {
    Scrub::default().and(channel.key.expose())
}

fn label_of(why: &NoConnection) -> &'static str {
    match why.blame {
        Blame::Worker(_) => LOCAL,
        Blame::Channel | Blame::WorkerOrChannel(_) => NO_CONNECTION,
    }
}
