//! What every upstream can do. The next platform is a folder beside `suno`.

pub mod suno;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use shared::store::channels::Channel;
use shared::task::Action;
use shared::task::step::Observation;
use shared::task::wait::CoolDown;

/// How a submit ended, as far as we can know.
#[derive(Debug)]
pub enum SubmitOutcome {
    /// The upstream has it, under this name.
    Accepted(String),
    /// The upstream refused the request itself: no other try would help. Its words, as they came.
    Refused(String),
    /// It surely did not arrive: it may be tried again, here or elsewhere.
    NotArrived(Trouble),
    /// It may have arrived: it must never be sent again. What happened, for an operator.
    Unknown(String),
}

/// How a fetch ended.
#[derive(Debug)]
pub enum FetchOutcome {
    /// What the upstream said of the ids it knows. Those it left out are missing.
    Answered(HashMap<String, Observation>),
    /// The upstream refused the ids as a whole, perhaps because of one of them.
    IdsRefused,
    /// The channel failed.
    Failed(Trouble),
}

/// What is wrong with a channel.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// How it cools down.
    pub kind: CoolDown,
    /// Whether the upstream only said "not now" (429): no attempt of the task is counted then.
    pub busy: bool,
    /// For how long the upstream asked us to stay away.
    pub retry_after: Option<Duration>,
    /// What happened, in a word, for the figures.
    pub outcome: &'static str,
    /// What happened, for an operator.
    pub what: String,
    /// What happened, for the client: nothing of ours beyond the upstream's own words.
    pub said: String,
}

impl Trouble {
    /// The channel is out of order: no connection, no whole answer, or none that reads.
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
}

/// What every upstream can do. Neither method takes longer than its timeout, and neither panics
/// whatever the upstream answers.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Hands a request (JSON) to the channel, once.
    async fn submit(&self, channel: &Channel, action: Action, request: &str) -> SubmitOutcome;

    /// Asks the channel about at most a hundred of its tasks, by its own names for them.
    async fn fetch(&self, channel: &Channel, upstream_ids: &[String]) -> FetchOutcome;
}
