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
//! | [`outcomes`] | what upstreams are asked, and how that ends |
//! | [`driver`] | the drivers of all platforms, whose calls are counted and timed |
//! | `results` | results as they are stored |
//! | `fields` | the members of an object in an answer |
//! | [`http`] | one HTTP call, bounded in time and size |
//! | [`connect`] | why no connection was made |
//! | [`diagnosis`] | what is wrong with an address or a key, in plain words |
//!
//! `docs/upstreams/README.md` lists what another platform takes.

pub mod classes;
pub mod connect;
pub mod diagnosis;
pub mod driver;
pub mod fal;
pub(crate) mod fields;
pub mod http;
pub mod mureka;
pub mod outcomes;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod replies;
pub(crate) mod results;
pub mod said;
pub mod suno;
pub mod sunoapi;

use std::time::Duration;

use async_trait::async_trait;
use shared::store::channels::Channel;
use shared::task::inputs::Inputs;
use shared::task::looks::chances::Guess;
use shared::task::{Action, Dialect, Platform};

use http::Http;

pub use driver::{Driver, Upstreams};
pub use outcomes::{
    Asked, CancelOutcome, FETCH_OUTCOMES, FetchOutcome, Made, OUTCOMES, Refusal, SUBMIT_OUTCOMES,
    Submission, SubmitOutcome, Trouble,
};

/// A platform, or a dialect of one.
pub struct Entry {
    /// The platform.
    pub platform: Platform,
    /// The dialect; `None`: the platform's own.
    pub dialect: Option<Dialect>,
    /// What we read of the requests for the platform.
    pub inputs: &'static Inputs,
    /// Makes its driver.
    driver: fn(Http) -> Box<dyn Upstream>,
}

/// Every platform, and every dialect. Another one is one line here.
pub const ENTRIES: &[Entry] = &[
    suno::ENTRY,
    sunoapi::ENTRY,
    sunoapi::ENTRY_OF_KIE,
    mureka::ENTRY,
    fal::ENTRY,
];

/// What we read of the requests for a platform. `None`: this program does not know it.
pub fn inputs(platform: Platform) -> Option<&'static Inputs> {
    let entry = ENTRIES.iter().find(|entry| entry.platform == platform);
    entry.map(|entry| entry.inputs)
}

/// The dialects of a platform beside its own.
pub fn dialects(platform: Platform) -> impl Iterator<Item = Dialect> {
    let entries = ENTRIES
        .iter()
        .filter(move |entry| entry.platform == platform);
    entries.filter_map(|entry| entry.dialect)
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
    /// What it takes at once.
    fn limits(&self) -> Limits;

    /// How long its tasks take, before anything is learnt.
    fn guess(&self, action: Action) -> Guess;

    /// Sends a task to the channel, in one request.
    async fn submit(&self, channel: &Channel, submission: Submission<'_>) -> SubmitOutcome;

    /// Whether a fetch asks about a task of this action alone, and not in a batch with others.
    fn is_asked_alone(&self, _action: Action) -> bool {
        false
    }

    /// Asks the channel about at most [`Limits::ids_per_fetch`] tasks.
    async fn fetch(&self, channel: &Channel, asked: &[Asked]) -> FetchOutcome;

    /// Asks the channel not to make a task. Without such a call at the platform: [`CancelOutcome::NotPossible`].
    async fn cancel(&self, _channel: &Channel, _asked: &Asked) -> CancelOutcome {
        CancelOutcome::NotPossible
    }

    /// Asks the channel how many tasks it may have at once, where the platform tells
    /// ([`Limits::tells_most_tasks`]). `Ok(None)`: any number. `Err`: what is wrong, for an operator, unscrubbed.
    async fn most_tasks(&self, _channel: &Channel) -> Result<Option<u32>, String> {
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

#[cfg(test)]
mod tests {
    use shared::task::platform::PLATFORMS;

    use super::*;

    #[test]
    fn every_platform_has_one_driver_for_each_of_its_dialects() {
        let own = |platform: Platform| {
            let entries = ENTRIES.iter().filter(|entry| entry.platform == platform);
            entries.filter(|entry| entry.dialect.is_none()).count()
        };
        for known in PLATFORMS {
            assert_eq!(own(known.platform), 1, "{}", known.platform);
        }
        for entry in ENTRIES {
            let named = (entry.platform, entry.dialect);
            let same = ENTRIES
                .iter()
                .filter(|other| (other.platform, other.dialect) == named);
            assert_eq!(same.count(), 1, "{named:?}");
            assert_eq!(own(entry.platform), 1, "{named:?}");
        }
    }
}
