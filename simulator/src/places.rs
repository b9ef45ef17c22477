//! The places at which songs are made: how many are taken, by whom, and how long.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::{fault::Fault, id::Id};

/// What the names of owners begin with.
const OWNERS: [&str; 2] = ["user-", "key-"];

/// The end of a task that has no end of its own.
const NEVER: u64 = u64::MAX;

/// The tasks that are being made. A task takes a place from the moment at which it is accepted until its own end,
/// whether a client looks at it or not. Times are ms since 1970, and no time goes back.
#[derive(Debug, Default)]
pub struct Places {
    /// The tasks by their ends.
    ends: BTreeSet<(u64, Id)>,
    tasks: HashMap<Id, Made>,
    all: Tally,
    owners: BTreeMap<Box<str>, Tally>,
    refused: BTreeMap<&'static str, u64>,
}

/// A task that is being made.
#[derive(Debug)]
struct Made {
    end: u64,
    owners: Vec<Box<str>>,
}

/// Counts of one owner, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The tasks that are being made.
    running: u64,
    /// The most tasks that were being made at once.
    most: u64,
    /// Accepted submits.
    accepted: u64,
    /// Submits refused with 429.
    refused: u64,
    /// How long places were taken, summed over the places, ms.
    taken_ms: u64,
    /// Until when `taken_ms` is right.
    #[serde(skip)]
    until: u64,
}

/// The answer of `GET /simulator/places`.
#[derive(Debug, Serialize)]
pub struct PlacesShown {
    /// When, ms since 1970 by the upstream's clock.
    at: u64,
    /// How many places there are; null without a bound.
    places: Option<u32>,
    #[serde(flatten)]
    all: Tally,
    /// The refused submits by why: `places` if all places were taken, else the name of the fault.
    refused_by: BTreeMap<&'static str, u64>,
    owners: BTreeMap<Box<str>, Tally>,
}

impl Places {
    /// Whether all of `places` are taken.
    pub fn are_full(&mut self, places: Option<u32>, now: u64) -> bool {
        self.advance(now);
        places.is_some_and(|places| self.all.running >= places.into())
    }

    /// A task was accepted, which ends then; `None`: it has no end of its own. `prompt` names its owners.
    pub fn take(&mut self, id: Id, prompt: &str, end: Option<u64>, now: u64) {
        self.advance(now);
        let end = end.unwrap_or(NEVER);
        let owners: Vec<Box<str>> = owners(prompt).map(Box::from).collect();
        self.all.begins(now);
        for owner in &owners {
            self.owners.entry(owner.clone()).or_default().begins(now);
        }
        self.ends.insert((end, id));
        self.tasks.insert(id, Made { end, owners });
    }

    /// A task ended before its time, or was forgotten. One that has ended already changes nothing.
    pub fn free(&mut self, id: Id, now: u64) {
        self.advance(now);
        let end = self.tasks.get(&id).map(|made| made.end);
        if let Some(end) = end {
            self.ends.remove(&(end, id));
            self.end(id, now);
        }
    }

    /// A submit was refused with 429: by this fault, or because all places are taken.
    pub fn refused(&mut self, prompt: &str, fault: Option<Fault>) {
        let why = fault.map_or("places", Fault::name);
        *self.refused.entry(why).or_default() += 1;
        self.all.refused += 1;
        for owner in owners(prompt) {
            self.owners.entry(owner.into()).or_default().refused += 1;
        }
    }

    /// What is known at this moment.
    pub fn show(&mut self, places: Option<u32>, now: u64) -> PlacesShown {
        self.advance(now);
        let owners = self.owners.iter_mut();
        PlacesShown {
            at: now,
            places,
            all: self.all.at(now),
            refused_by: self.refused.clone(),
            owners: owners
                .map(|(owner, tally)| (owner.clone(), tally.at(now)))
                .collect(),
        }
    }

    /// Frees the places of the tasks that have ended by now.
    fn advance(&mut self, now: u64) {
        while let Some(&(end, id)) = self.ends.first()
            && end <= now
        {
            self.ends.pop_first();
            self.end(id, end);
        }
    }

    fn end(&mut self, id: Id, at: u64) {
        let Some(made) = self.tasks.remove(&id) else {
            return;
        };
        self.all.ends(at);
        for owner in &made.owners {
            if let Some(tally) = self.owners.get_mut(owner) {
                tally.ends(at);
            }
        }
    }
}

impl Tally {
    fn begins(&mut self, at: u64) {
        self.count_until(at);
        self.running += 1;
        self.accepted += 1;
        self.most = self.most.max(self.running);
    }

    fn ends(&mut self, at: u64) {
        self.count_until(at);
        self.running -= 1;
    }

    fn at(&mut self, now: u64) -> Self {
        self.count_until(now);
        self.clone()
    }

    fn count_until(&mut self, at: u64) {
        self.taken_ms += self.running * at.saturating_sub(self.until);
        self.until = self.until.max(at);
    }
}

/// The owners that a prompt names: its first words, as long as they begin with `user-` or `key-`.
pub fn owners(prompt: &str) -> impl Iterator<Item = &str> {
    let is_owner = |word: &&str| OWNERS.iter().any(|begin| word.starts_with(begin));
    prompt.split_whitespace().take_while(is_owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(places: &mut Places, now: u64) -> Value {
        serde_json::to_value(places.show(Some(2), now)).unwrap()
    }

    #[test]
    fn a_place_is_free_in_the_moment_in_which_its_task_ends() {
        let mut places = Places::default();
        let [one, two, three] = [0, 1, 2].map(|n| Id::in_series(1, n));
        places.take(one, "a song", Some(1_500), 1_000);
        assert!(!places.are_full(Some(2), 1_000));
        places.take(two, "a song", None, 1_200);
        assert!(places.are_full(Some(2), 1_499) && !places.are_full(None, 1_499));
        assert!(!places.are_full(Some(2), 1_500));
        places.take(three, "a song", Some(9_000), 1_500);
        assert!(places.are_full(Some(2), 8_999));
        places.free(two, 8_999);
        places.free(two, 8_999);
        assert!(!places.are_full(Some(2), 8_999));
        let shown = shown(&mut places, 10_000);
        assert_eq!(shown["running"], 0);
        assert_eq!((&shown["most"], &shown["accepted"]), (&json!(2), &json!(3)));
        assert_eq!(shown["taken_ms"], 500 + 7_799 + 7_500);
    }

    #[test]
    fn each_owner_has_counts_of_its_own() {
        let mut places = Places::default();
        let [one, two, three] = [0, 1, 2].map(|n| Id::in_series(1, n));
        places.take(one, "user-1 key-7 a song of user-2", Some(200), 100);
        places.take(two, "user-1", Some(300), 100);
        places.take(three, "nobody's song", Some(300), 100);
        places.refused("user-2 a song", None);
        places.refused("user-2 a song", Some(Fault::Submit429));
        let shown = shown(&mut places, 200);
        let user = |running, most, accepted, refused, taken_ms: u64| {
            json!({"running": running, "most": most, "accepted": accepted,
                   "refused": refused, "taken_ms": taken_ms})
        };
        let owners = json!({
            "key-7": user(0, 1, 1, 0, 100),
            "user-1": user(1, 2, 2, 0, 200),
            "user-2": user(0, 0, 0, 2, 0),
        });
        assert_eq!(shown["owners"], owners);
        assert_eq!(shown["refused_by"], json!({"places": 1, "submit-429": 1}));
    }
}
