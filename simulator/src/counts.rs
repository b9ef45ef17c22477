//! Counters of requests, submits, fetches and faults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The counters since the start. The answer of `GET /simulator/counts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Accepted connections, those to `/simulator` included.
    pub connections: u64,
    /// Open requests under `/suno`.
    pub open: u64,
    /// The most requests that were open at once.
    pub most_open: u64,
    /// Requests refused for a missing or wrong key.
    pub unauthorized: u64,
    /// Requests refused because they break the dialect: 400, 404, 405, 413.
    pub invalid: u64,
    /// Well-formed submits.
    pub submits: Submits,
    /// The most submits accepted for one title; 1 proves that no task was submitted twice.
    pub max_accepted_per_title: u32,
    /// Well-formed fetches.
    pub fetches: Fetches,
    /// Tasks the upstream knows, by status.
    pub tasks: BTreeMap<String, u64>,
    /// How often each fault happened; faults that never happened are left out.
    pub faults: BTreeMap<String, u64>,
}

/// Counters of well-formed submits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submits {
    /// Requests, whatever their outcome.
    pub asked: u64,
    /// Tasks made for them, whatever the answer.
    pub accepted: u64,
    /// Distinct titles (for lyrics: prompts).
    pub titles: u64,
    /// Titles accepted more than once.
    pub accepted_twice: u64,
}

/// Counters of well-formed fetches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetches {
    /// Requests, whatever their outcome.
    pub asked: u64,
    /// Ids in all requests.
    pub ids: u64,
    /// Ids that the upstream does not know.
    pub unknown_ids: u64,
    /// The most ids in one request.
    pub most_ids: u64,
}

impl Counts {
    pub(crate) fn happened(&mut self, fault: Fault) {
        *self.faults.entry(fault.name().to_owned()).or_default() += 1;
    }

    pub(crate) fn opened(&mut self) {
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
    }
}
