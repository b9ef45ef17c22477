//! What a fetch sees.

use std::{collections::HashSet, time::Duration};

use rand::Rng;

use super::{State, Upstream};
use crate::{
    chance,
    fault::{Fault, Kind},
    id::Id,
    task::Sight,
};

/// What a fetch sees.
#[derive(Debug)]
pub struct Batch {
    /// The tasks that are known, in the order asked for, each once.
    pub sights: Vec<Sight>,
    /// Another task, which the client didn't ask for, if there is one.
    pub stranger: Option<Sight>,
    /// What goes wrong with the whole batch.
    pub fault: Option<Fault>,
    /// Will the message print secrets?
    pub leaks: bool,
    /// How long the answer takes.
    pub latency: Duration,
}

impl Upstream {
    /// Looks at tasks. Ids that are not known, or are no ids, are not there.
    pub fn fetch(&self, ids: &[String]) -> Batch {
        let now = self.clock.now();
        let mut state = self.state();
        let counts = &mut state.tally.counts.fetches;
        let mut rng = chance::source(self.options.seed, ("fetch", counts.asked));
        counts.asked += 1;
        counts.ids += ids.len() as u64;
        counts.most_ids = counts.most_ids.max(ids.len() as u64);
        let latency = self.options.fetch_latency.draw(&mut rng);

        let mut known: Vec<Id> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        known.retain(|id| state.tasks.contains_key(id));
        state.tally.counts.fetches.unknown_ids += (ids.len() - known.len()) as u64;
        let mut asked = HashSet::with_capacity(known.len());
        known.retain(|id| asked.insert(*id));

        let ordered = known
            .iter()
            .find_map(|id| state.tasks.get(id)?.batch_fault());
        let mut fault = ordered.or_else(|| state.faults.draw(Kind::Fetch, &mut rng));
        let leaks = state.faults.rate(Fault::Leak).hits(&mut rng);
        let sights: Vec<_> = known
            .iter()
            .filter_map(|&id| state.look(id, now, &mut rng))
            .collect();
        if fault.is_none()
            && sights
                .iter()
                .any(|sight| sight.oddity == Some(Fault::Batch404))
        {
            fault = Some(Fault::Batch404);
        }
        if let Some(fault) = fault.filter(|fault| fault.kind() == Kind::Fetch) {
            state.tally.happened(fault);
        }
        let stranger = (fault == Some(Fault::FetchStrangers))
            .then(|| state.stranger(&asked, now))
            .flatten();
        Batch {
            sights,
            stranger,
            fault,
            leaks,
            latency,
        }
    }
}

impl State {
    fn look(&mut self, id: Id, now: u64, rng: &mut impl Rng) -> Option<Sight> {
        let chance = self.faults.draw(Kind::Sighting, rng);
        let sight = self.tasks.get_mut(&id)?.look(id, now, chance);
        if let Some(oddity) = sight.oddity {
            self.tally.happened(oddity);
        }
        Some(sight)
    }

    /// One of the tasks that changed their place last in the rounds, and was not asked for.
    fn stranger(&mut self, asked: &HashSet<Id>, now: u64) -> Option<Sight> {
        let id = *self
            .rounds
            .iter()
            .rev()
            .find(|&id| !asked.contains(id) && self.tasks.contains_key(id))?;
        self.tasks.get(&id).map(|task| task.show(id, now))
    }
}
