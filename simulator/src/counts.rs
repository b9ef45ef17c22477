//! What a simulator was asked, in figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// What a simulator was asked and did, since its start. The answer of `GET /simulator/counts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections taken, those to `/simulator` included.
    pub connections: u64,
    /// Requests under `/suno` being answered now.
    pub open: u64,
    /// The most that ever were open at once.
    pub most_open: u64,
    /// Requests turned away for want of the right key.
    pub unauthorized: u64,
    /// Requests turned away because they broke the dialect: 400, 404, 405.
    pub invalid: u64,
    /// Well-formed submits.
    pub submits: Submits,
    /// The most submits accepted for one title: 1 proves that no task was submitted twice.
    pub max_accepted_per_title: u32,
    /// Well-formed fetches.
    pub fetches: Fetches,
    /// Tasks the upstream knows now, by status.
    pub tasks: BTreeMap<String, u64>,
    /// How often each fault happened; those that never did are left out.
    pub faults: BTreeMap<String, u64>,
}

/// Well-formed submits, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submits {
    /// Requests, whatever became of them.
    pub asked: u64,
    /// Tasks made for them, whatever the client was told.
    pub accepted: u64,
    /// Different titles among them (for lyrics: prompts).
    pub titles: u64,
    /// Titles accepted more than once.
    pub accepted_twice: u64,
}

/// Well-formed fetches, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetches {
    /// Requests, whatever became of them.
    pub asked: u64,
    /// Ids in them, all together.
    pub ids: u64,
    /// Ids among them that the upstream doesn't know.
    pub unknown_ids: u64,
    /// The most ids in one request.
    pub most_ids: u64,
}

/// The figures as they are kept.
#[derive(Debug)]
pub struct Tally {
    pub counts: Counts,
    faults: [u64; Fault::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            faults: [0; Fault::ALL.len()],
        }
    }
}

impl Tally {
    /// One more of these happened.
    pub fn happened(&mut self, fault: Fault) {
        self.faults[fault.index()] += 1;
    }

    /// One more request is being answered.
    pub fn opened(&mut self) {
        self.counts.open += 1;
        self.counts.most_open = self.counts.most_open.max(self.counts.open);
    }

    /// All figures but those on tasks and titles, which are not kept here.
    pub fn read(&self) -> Counts {
        let happened = Fault::ALL
            .iter()
            .zip(self.faults)
            .filter(|&(_, times)| times > 0);
        let faults = happened
            .map(|(fault, times)| (fault.name().to_owned(), times))
            .collect();
        Counts {
            faults,
            ..self.counts.clone()
        }
    }
}
