//! Fetches.

use std::{collections::HashSet, time::Duration};

use rand::Rng;

use super::{State, Upstream};
use crate::{
    dialects::suno::print::{self, Printed},
    fault::{Fault, Kind},
    fetches::{Admission, Bounds},
    id::Id,
    random,
    secrets::Secrets,
    task::{FetchedTask, Task},
};

/// The answer to a fetch.
#[derive(Debug)]
pub struct Batch {
    /// The known tasks in the order asked for, each once.
    pub tasks: Vec<FetchedTask>,
    /// A task that the client did not ask for.
    pub stranger: Option<FetchedTask>,
    /// The fault of the whole batch.
    pub fault: Option<Fault>,
    /// Whether the message prints secrets.
    pub leaks: bool,
    pub latency: Duration,
}

impl Upstream {
    /// Fetches tasks. Unknown and malformed ids are left out. `None`: these are more ids than a fetch may name.
    pub fn fetch(&self, ids: &[String]) -> Option<Batch> {
        let mut state = self.state();
        // Under the lock, so that the times of fetches don't go back.
        let now = self.clock.now();
        let bounds = Bounds {
            per_second: self.options.fetches_per_second,
            ids: self.options.ids_per_fetch,
        };
        let admission = state.fetches.admit(ids.len(), bounds, now);
        if admission == Admission::TooManyIds {
            return None;
        }
        let counts = &mut state.counts.fetches;
        let mut rng = random::rng(self.options.seed, ("fetch", counts.asked));
        counts.asked += 1;
        counts.ids += ids.len() as u64;
        counts.most_ids = counts.most_ids.max(ids.len() as u64);
        let latency = self.options.fetch_latency.draw(&mut rng);
        if admission == Admission::TooManyCalls {
            return Some(Batch::too_many_calls(latency));
        }

        let mut known: Vec<Id> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        known.retain(|id| state.tasks.contains_key(id));
        state.counts.fetches.unknown_ids += (ids.len() - known.len()) as u64;
        let mut asked = HashSet::with_capacity(known.len());
        known.retain(|id| asked.insert(*id));

        let mut tasks = known.iter().filter_map(|id| state.tasks.get(id));
        let ordered = tasks.find_map(Task::batch_fault);
        let mut fault = ordered.or_else(|| state.faults.draw(Kind::Fetch, &mut rng));
        let leaks = state.faults.rate(Fault::Leak).hits(&mut rng);
        let tasks: Vec<_> = known
            .iter()
            .filter_map(|&id| state.fetch(id, now, &mut rng))
            .collect();
        let batch_404 = Some(Fault::Batch404);
        if tasks.iter().any(|fetched| fetched.fault == batch_404) {
            fault = fault.or(batch_404);
        }
        if let Some(fault) = fault.filter(|fault| fault.kind() == Kind::Fetch) {
            state.counts.happened(fault);
        }
        let stranger = (fault == Some(Fault::FetchStrangers))
            .then(|| state.stranger(&asked, now))
            .flatten();
        Some(Batch {
            tasks,
            stranger,
            fault,
            leaks,
            latency,
        })
    }
}

impl Upstream {
    /// A task as a fetch prints it, without being one, and without secrets. `None`: it was forgotten.
    pub fn print(&self, id: Id) -> Option<Printed> {
        let now = self.clock.now();
        let mut task = self.state().tasks.get(&id)?.show(id, now);
        task.leaks = false;
        let mut printed = Vec::new();
        print::print(&task, &Secrets::default(), &mut printed);
        printed.pop()
    }
}

impl Batch {
    /// As an upstream answers that was asked too often; only faults that were ordered are counted.
    fn too_many_calls(latency: Duration) -> Self {
        Self {
            tasks: Vec::new(),
            stranger: None,
            fault: Some(Fault::Fetch429),
            leaks: false,
            latency,
        }
    }
}

impl State {
    fn fetch(&mut self, id: Id, now: u64, rng: &mut impl Rng) -> Option<FetchedTask> {
        let drawn = self.faults.draw(Kind::FetchedTask, rng);
        let fetched = self.tasks.get_mut(&id)?.fetch(id, now, drawn);
        if let Some(fault) = fetched.fault {
            self.counts.happened(fault);
        }
        Some(fetched)
    }

    /// A recent task that was not asked for.
    fn stranger(&mut self, asked: &HashSet<Id>, now: u64) -> Option<FetchedTask> {
        let mut recent = self.expiry_queue.iter().rev();
        let id = recent.find(|&id| !asked.contains(id) && self.tasks.contains_key(id))?;
        self.tasks.get(id).map(|task| task.show(*id, now))
    }
}
