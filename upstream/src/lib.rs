//! What every upstream can do, and one folder for each platform.
//!
//! | module | what it holds |
//! |---|---|
//! | [`suno`] | the driver of the platform `suno` |
//! | [`sunoapi`] | the driver of the dialects `sunoapi` and `kie` of the same platform |
//! | [`mureka`] | the driver of the platform `mureka` |
//! | [`fal`] | the driver of the platform `fal` |
//! | [`classes`] | what an HTTP status means for a task and a channel |
//! | [`said`] | what an answer means for them, as far as the dialects agree |
//! | `fields` | the members of an object in an answer |
//! | [`http`] | one HTTP call, bounded in time and size |
//! | [`connect`] | why no connection was made |
//! | [`diagnosis`] | what is wrong with an address or a key, in plain words |
//!
//! `docs/upstreams/README.md` lists what another platform takes.

pub mod classes;
pub mod connect;
pub mod diagnosis;
pub mod fal;
pub(crate) mod fields;
pub mod http;
pub mod mureka;
#[cfg(test)]
mod pages;
pub mod said;
pub mod suno;
pub mod sunoapi;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use metrics::{counter, histogram};
use serde_json::value::RawValue;
use shared::clock::{Clock, Millis, SharedClock};
use shared::store::channels::Channel;
use shared::task::cool_down::CoolDown;
use shared::task::inputs::Inputs;
use shared::task::looks::chances::Guess;
use shared::task::scrub::Scrub;
use shared::task::step::Observation;
use shared::task::{Action, Dialect, Platform, TaskId};

use connect::{Blame, NoConnection};
use http::Http;

/// The driver of each platform and dialect. Another one is one line here.
fn drivers(http: &Http) -> Vec<Box<dyn Upstream>> {
    vec![
        Box::new(suno::Suno::new(http.clone())),
        Box::new(sunoapi::SunoApi::new(http.clone(), &sunoapi::SUNOAPI)),
        Box::new(sunoapi::SunoApi::new(http.clone(), &sunoapi::KIE)),
        Box::new(mureka::Mureka::new(http.clone())),
        Box::new(fal::Fal::new(http.clone())),
    ]
}

/// The dialects of each platform, beside the one that is the platform's own.
pub const DIALECTS: &[(Platform, &[Dialect])] = &[(
    Platform::SUNO,
    &[sunoapi::SUNOAPI.dialect, sunoapi::KIE.dialect],
)];

/// What we read of the requests for each platform.
const INPUTS: &[(Platform, &Inputs)] = &[
    (Platform::SUNO, &suno::inputs::INPUTS),
    (Platform::MUREKA, &mureka::inputs::INPUTS),
    (Platform::FAL, &fal::inputs::INPUTS),
];

/// What we read of the requests for a platform. `None`: this program does not know it.
pub fn inputs(platform: Platform) -> Option<&'static Inputs> {
    let inputs = INPUTS.iter().find(|(known, _)| *known == platform);
    inputs.map(|(_, inputs)| *inputs)
}

/// A task that a channel is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The upstream's id of the task.
    pub upstream_id: String,
    /// What the task makes: some upstreams have a path for each action.
    pub action: Action,
}

impl Asked {
    /// This task.
    pub fn new(upstream_id: impl Into<String>, action: Action) -> Self {
        Self {
            upstream_id: upstream_id.into(),
            action,
        }
    }
}

/// A task to submit.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// Our name of the task: the `Idempotency-Key` for the upstream.
    pub task: &'a TaskId,
    /// What to make.
    pub action: Action,
    /// The request: JSON.
    pub request: &'a str,
}

/// How a submit ended, as far as we can know.
#[derive(Debug)]
pub enum SubmitOutcome {
    /// The upstream accepted the task, and gave it this id.
    Accepted(String),
    /// The upstream answered with the result itself: the task ends at once.
    Made(Made),
    /// The upstream refused the request itself: no retry would help.
    Refused(Refusal),
    /// The request did not arrive: it may be retried, on this channel or another.
    NotArrived(Trouble),
    /// No connection was made, so the request did not arrive.
    NotConnected(NoConnection),
    /// The request may have arrived: only an idempotent channel may get it again. The text is for an
    /// operator.
    Unknown(String),
}

/// A result that came in the answer to a submit.
#[derive(Debug)]
pub struct Made {
    /// The upstream's id of the task, if it gave one.
    pub upstream_id: Option<String>,
    /// The result: JSON.
    pub data: Box<RawValue>,
}

/// The upstream's refusal of a request.
#[derive(Debug)]
pub struct Refusal {
    /// The upstream's words, unscrubbed.
    pub words: String,
    /// What happened, for an operator, unscrubbed.
    pub what: String,
    /// Whether the answer may be that of a wrong address (404, 405), which says nothing of the request.
    pub is_no_such_path: bool,
}

impl Refusal {
    /// A refusal that is surely about the request.
    pub fn of_words(words: String) -> Self {
        Self {
            what: words.clone(),
            words,
            is_no_such_path: false,
        }
    }
}

/// How a fetch ended.
#[derive(Debug)]
pub enum FetchOutcome {
    /// What the upstream said about the ids it knows. The ids it left out are missing.
    Answered(HashMap<String, Observation>),
    /// The upstream refused the ids as a whole, perhaps because of one of them.
    IdsRefused,
    /// The answer is too large to be read, perhaps because of one of the ids. If the answer about one id alone is
    /// so twice, the observation is true for that id.
    TooLarge(Box<Observation>),
    /// The channel failed.
    Failed(Trouble),
    /// No connection was made.
    NotConnected(NoConnection),
}

/// How a wish to cancel a task ended.
#[derive(Debug)]
pub enum CancelOutcome {
    /// The upstream does not make the task.
    Cancelled,
    /// The upstream took note of the wish. The next polls tell whether it came in time.
    AskedFor,
    /// The task is finished, or its upstream does not stop what it has begun.
    TooLate,
    /// The upstream does not know the task.
    NoSuchTask,
    /// The platform has no such call.
    NotPossible,
    /// The channel failed.
    Failed(Trouble),
    /// No connection was made.
    NotConnected(NoConnection),
}

/// What is wrong with a channel.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// How the channel cools down.
    pub kind: CoolDown,
    /// Whether the upstream only said "not now" (429): then no attempt of the task is counted.
    pub busy: bool,
    /// How long the upstream asked us to stay away.
    pub retry_after: Option<Duration>,
    /// What happened, as the label `outcome` of `task_center_upstream_calls_total`.
    pub outcome: &'static str,
    /// What happened, for an operator.
    pub what: String,
    /// What happened, for the client: only what the upstream said itself.
    pub said: String,
}

impl Trouble {
    /// The channel is out of order: no connection, no whole answer, or an answer that does not read.
    pub fn broken(outcome: &'static str, what: String) -> Self {
        Self {
            kind: CoolDown::Trouble,
            busy: false,
            retry_after: None,
            outcome,
            what,
            said: "the upstream could not be reached".to_owned(),
        }
    }

    /// Whether the channel took no connection.
    pub fn is_no_connection(&self) -> bool {
        self.outcome == NO_CONNECTION
    }

    /// What happened, without the secrets of the channel.
    pub fn shown(&self, channel: &Channel) -> String {
        Scrub::channel(&channel.base_url, &channel.key).reason(&self.what)
    }

    /// The channel answers as if there were no such path, and never accepted anything: its base URL is wrong.
    fn wrong_address(what: &str) -> Self {
        Self {
            kind: CoolDown::Refusal,
            busy: false,
            retry_after: None,
            outcome: "misdirected",
            what: format!("{what}, and it never accepted a task: is its base URL right?"),
            said: what.replacen("it answered", "the upstream answered", 1),
        }
    }

    /// The channel takes no connection.
    pub fn no_connection(why: &NoConnection) -> Self {
        Self::broken(NO_CONNECTION, format!("no connection: {}", why.what))
    }
}

/// The labels `outcome` of submits alone.
pub const SUBMIT_OUTCOMES: [&str; 1] = ["unknown"];
/// The labels `outcome` of fetches alone.
pub const FETCH_OUTCOMES: [&str; 2] = ["too_large", "broken"];
/// The labels `outcome` of both calls.
pub const OUTCOMES: [&str; 8] = [
    "ok",
    "refused",
    NO_CONNECTION,
    LOCAL,
    "busy",
    "error",
    "unauthorized",
    "misdirected",
];

/// The label of a call that this worker could not make.
const LOCAL: &str = "local";
/// The label of a call that made no connection.
const NO_CONNECTION: &str = "no_connection";

fn scrub_of_key(channel: &Channel) -> Scrub {
    Scrub::default().and(channel.key.expose())
}

fn label_of(why: &NoConnection) -> &'static str {
    match why.blame {
        Blame::Worker(_) => LOCAL,
        Blame::Channel | Blame::WorkerOrChannel(_) => NO_CONNECTION,
    }
}

/// What the upstreams of a platform take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many tasks one fetch can ask about, from 1 to 100.
    pub ids_per_fetch: u32,
    /// How many fetches of one poll may be under way together.
    pub calls_at_once: u32,
    /// Whether a channel can be asked how many tasks it may have at once: see [`Upstream::most_tasks`].
    pub tells_most_tasks: bool,
}

impl Limits {
    /// One fetch asks about a hundred tasks.
    pub const BATCHES: Self = Self {
        ids_per_fetch: 100,
        calls_at_once: 4,
        tells_most_tasks: false,
    };
    /// One fetch asks about one task.
    pub const ONE_BY_ONE: Self = Self {
        ids_per_fetch: 1,
        calls_at_once: 8,
        tells_most_tasks: false,
    };

    /// How many fetches a second a channel gets if its operator set nothing: `--polls-per-second` in
    /// `docs/contract.md`, "Limits and fairness".
    pub fn fetches_per_second(self) -> u32 {
        if self.ids_per_fetch > 1 { 5 } else { 50 }
    }
}

/// The driver of a platform. No call takes longer than its timeout, and none panics, whatever the
/// upstream answers.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// The platform whose channels this driver calls.
    fn platform(&self) -> Platform;

    /// The dialect of those channels; `None`: the platform's own.
    fn dialect(&self) -> Option<Dialect> {
        None
    }

    /// What it takes at once.
    fn limits(&self) -> Limits;

    /// How long its tasks take, before anything is learnt.
    fn guess(&self, action: Action) -> Guess;

    /// Sends a task to the channel, in one request.
    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome;

    /// Whether a fetch asks about a task of this action alone, and not in a batch with others.
    fn is_asked_alone(&self, action: Action) -> bool {
        let _ = action;
        false
    }

    /// Asks the channel about at most [`Limits::ids_per_fetch`] tasks.
    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome;

    /// Asks the channel not to make a task. Without such a call at the platform: [`CancelOutcome::NotPossible`].
    async fn cancel(&self, channel: &Channel, asked: &Asked) -> CancelOutcome {
        let (_, _) = (channel, asked);
        CancelOutcome::NotPossible
    }

    /// Asks the channel how many tasks it may have at once, where the platform tells
    /// ([`Limits::tells_most_tasks`]). `Ok(None)`: any number. `Err`: what is wrong, for an operator, unscrubbed.
    async fn most_tasks(&self, channel: &Channel) -> Result<Option<u32>, String> {
        let _ = channel;
        Ok(None)
    }

    /// Makes one call that changes nothing and costs nothing. `Ok`: the channel answered as its platform does,
    /// after this time. `Err`: what is wrong with its address or its key, for an operator, unscrubbed.
    async fn test(&self, channel: &Channel) -> Result<Duration, String>;

    /// The upstream's id of the task that `request` continues: clients must not see it.
    fn continued_id(&self, request: &str) -> Option<String>;

    /// The result (JSON) of a task that failed: what is unfinished in it is marked as failed, so that no
    /// client waits for it.
    fn failed_result(&self, result: &str) -> String;
}

/// The drivers of all platforms and dialects that this worker can call.
pub struct Upstreams {
    drivers: Vec<Box<dyn Upstream>>,
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
            drivers: drivers(&http),
            clock,
        })
    }

    /// The driver of the channel. `None`: only a newer worker has one.
    pub fn driver(&self, channel: &Channel) -> Option<Driver<'_>> {
        let upstream = self.drivers.iter().find(|driver| {
            driver.platform() == channel.platform && driver.dialect() == channel.dialect
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
