//! The upstream's state, behind one lock. It is held for microseconds: under it there is no I/O and no waiting.

mod act;
mod control;
mod fetch;
mod series;
mod submit;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use self::submit::{RecordedSubmit, Title};
pub use self::{
    control::{Cancelled, Listed, Made, Selector},
    fetch::Batch,
    series::Series,
};
use crate::{
    clock::Clock,
    counts::Counts,
    faults::Faults,
    fetches::{FetchCalls, FetchCallsShown},
    id::Id,
    options::{Key, Options},
    places::{Places, PlacesShown},
    task::Task,
};

/// The upstream behind the endpoints.
#[derive(Debug)]
pub struct Upstream {
    pub options: Options,
    clock: Clock,
    state: Mutex<State>,
    /// Notified when tests end or forget tasks.
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The key that clients must send.
    key: Option<Key>,
    faults: Faults,
    tasks: HashMap<Id, Task>,
    /// The tasks of submits that are being made.
    places: Places,
    /// When each file of a clip is there: Unix milliseconds.
    files: HashMap<String, u64>,
    /// The calls that fetch tasks.
    fetches: FetchCalls,
    /// The accepted submits by their `Idempotency-Key`, if the upstream heeds it.
    accepted_keys: HashMap<String, Id>,
    /// The tasks in the order in which their age is checked; some may be forgotten already.
    expiry_queue: VecDeque<Id>,
    /// By the digest of the title.
    titles: HashMap<u64, Title>,
    /// All counters but those of tasks.
    counts: Counts,
    /// The latest submits, the newest last.
    latest: VecDeque<RecordedSubmit>,
}

impl Upstream {
    pub fn new(options: Options) -> Self {
        let state = State {
            key: options.key.clone(),
            faults: options.faults.clone(),
            ..State::default()
        };
        Self {
            clock: Clock::start(options.skew),
            options,
            state: Mutex::new(state),
            ended: Notify::new(),
        }
    }

    pub fn counts(&self) -> Counts {
        let now = self.clock.now();
        let state = self.state();
        let mut counts = state.counts.clone();
        for task in state.tasks.values() {
            let status = task.life.at(now).phase.status();
            *counts.tasks.entry(status.to_owned()).or_default() += 1;
        }
        counts
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.state().counts);
    }

    pub fn places(&self) -> PlacesShown {
        let now = self.clock.now();
        self.state().places.show(self.options.places, now)
    }

    pub fn fetches(&self) -> FetchCallsShown {
        let now = self.clock.now();
        self.state().fetches.show(now)
    }

    /// Whether an `Authorization` header of this value opens a dialect with keys in this scheme.
    pub fn admits(&self, scheme: &str, authorization: &str) -> bool {
        let state = self.state();
        let key = state.key.as_ref();
        key.is_none_or(|key| key.admits(scheme, authorization))
    }

    /// From now on clients must send this key; `None`: any or none.
    pub fn set_key(&self, key: Option<Key>) {
        self.state().key = key;
    }

    pub fn faults(&self) -> Faults {
        self.state().faults.clone()
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock may leave wrong counters, but no half-written task.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
