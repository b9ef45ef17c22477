//! What upstreams are asked, and how that ends.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::value::RawValue;
use shared::store::channels::Channel;
use shared::task::cool_down::CoolDown;
use shared::task::scrub::Scrub;
use shared::task::step::Observation;
use shared::task::{Action, TaskId};

use crate::connect::NoConnection;

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

    /// That the upstream says this of the task, and nothing of another.
    pub fn told(&self, observation: Observation) -> HashMap<String, Observation> {
        HashMap::from([(self.upstream_id.clone(), observation)])
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
    /// The address that the upstream may call when there is something new; `None`: it cannot call us.
    pub hook: Option<&'a str>,
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

    /// Whether this may be wrong with the one task of a call, and not with the channel: the channel neither is too busy,
    /// nor refuses us, nor asks for a pause.
    pub fn may_be_of_one_task(&self) -> bool {
        let is_pause = self.busy || self.retry_after.is_some();
        self.kind == CoolDown::Trouble && !is_pause && !self.is_no_connection()
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
    pub(crate) fn wrong_address(what: &str) -> Self {
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
pub(crate) const LOCAL: &str = "local";
/// The label of a call that made no connection.
pub(crate) const NO_CONNECTION: &str = "no_connection";
