//! The upstream's state, behind one lock. It is held for microseconds: under it there is no I/O and no waiting.

mod control;
mod fetch;
mod series;
mod submit;
mod titles;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

pub use self::{
    control::{Listed, Selector},
    fetch::Batch,
    series::Series,
    submit::NoSuchTask,
};
use self::{submit::RecordedSubmit, titles::Titles};
use crate::{
    clock::Clock,
    counts::{Counts, Tally},
    faults::Faults,
    id::Id,
    options::Options,
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
    faults: Faults,
    tasks: HashMap<Id, Task>,
    /// The tasks in the order in which their age is checked; some may be forgotten already.
    expiry_queue: VecDeque<Id>,
    titles: Titles,
    tally: Tally,
    /// The latest submits, the newest last.
    latest: VecDeque<RecordedSubmit>,
}

impl Upstream {
    /// A new upstream without tasks.
    pub fn new(options: Options) -> Self {
        let state = State {
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

    /// The counters.
    pub fn counts(&self) -> Counts {
        let now = self.clock.now();
        let state = self.state();
        let mut counts = state.tally.read();
        counts.submits.titles = state.titles.different();
        counts.submits.accepted_twice = state.titles.accepted_twice();
        counts.max_accepted_per_title = state.titles.max_accepted();
        for task in state.tasks.values() {
            *counts
                .tasks
                .entry(task.life.at(now).phase.status().to_owned())
                .or_default() += 1;
        }
        counts
    }

    /// Changes the counters.
    pub fn tally<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.state().tally)
    }

    /// The run's faults.
    pub fn faults(&self) -> Faults {
        self.state().faults.clone()
    }

    /// Replaces the run's faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock may leave wrong counters, but no half-written task.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
