//! The places of a simulated upstream (`simulator/README.md`): who takes how many, and how long.
//!
//! All numbers are `f64`: they are small, and most become shares.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What an upstream knows of its places at one moment.
#[derive(Debug, Clone, Deserialize)]
pub struct Places {
    /// When, ms since 1970.
    pub at: f64,
    /// All owners together.
    #[serde(flatten)]
    pub all: Tally,
    /// The submits that were refused with 429, by why: `places` if all were taken, else the name of the fault.
    pub refused_by: BTreeMap<String, f64>,
    /// By owner: the words `user-…` and `key-…` at the beginning of a prompt.
    pub owners: BTreeMap<String, Tally>,
}

/// The counts of one owner, or of all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Tally {
    /// The tasks that are being made.
    pub running: f64,
    /// The most that were being made at once.
    pub most: f64,
    /// Accepted submits.
    pub accepted: f64,
    /// Submits refused with 429.
    pub refused: f64,
    /// How long places were taken, summed over the places, ms.
    pub taken_ms: f64,
}

/// When an upstream made a task, and for whom.
#[derive(Debug, Clone, Deserialize)]
pub struct Made {
    /// The upstream's id of the task.
    pub task_id: String,
    /// When the task was accepted, ms since 1970.
    pub from: u64,
    /// When the task ended or will end; `None` if it has no end of its own.
    pub to: Option<u64>,
    /// For whom.
    pub owners: Vec<String>,
}

/// The most of these tasks that were being made at once. A task that begins in the millisecond in which another ends
/// comes after it.
pub fn most_at_once<'a>(made: impl IntoIterator<Item = &'a Made>) -> usize {
    let mut changes = Vec::new();
    for made in made {
        changes.push((made.from, true));
        changes.push((made.to.unwrap_or(u64::MAX), false));
    }
    // Of one millisecond, ends come first.
    changes.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for (_, begins) in changes {
        now = if begins {
            now + 1
        } else {
            now.saturating_sub(1)
        };
        most = most.max(now);
    }
    most
}

impl Places {
    /// The counts of one owner; zeros of one that the upstream never heard of.
    pub fn of(&self, owner: &str) -> Tally {
        self.owners.get(owner).cloned().unwrap_or_default()
    }

    /// How many places were taken on average since `earlier`. Zero if no time has passed.
    pub fn taken_since(&self, earlier: &Self) -> f64 {
        let passed = self.at - earlier.at;
        if passed > 0.0 {
            (self.all.taken_ms - earlier.all.taken_ms) / passed
        } else {
            0.0
        }
    }

    /// Jain's index of the places that these owners had since `earlier`: 1 if all had the same, one over their
    /// number if one had all. 1 if none had any.
    pub fn fairness_since<'a>(
        &self,
        earlier: &Self,
        owners: impl IntoIterator<Item = &'a str>,
    ) -> f64 {
        let had = |owner| self.of(owner).taken_ms - earlier.of(owner).taken_ms;
        jain(&owners.into_iter().map(had).collect::<Vec<f64>>())
    }
}

fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    let count: f64 = shares.iter().map(|_| 1.0).sum();
    if squares > 0.0 {
        sum * sum / (count * squares)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(at: u64, of_all: u64, of_one: u64, of_two: u64) -> Places {
        let tally = |taken_ms: u64| json!({"running": 1, "most": 2, "accepted": 3, "refused": 0, "taken_ms": taken_ms});
        let mut all = tally(of_all);
        all["at"] = json!(at);
        all["places"] = json!(null);
        all["refused_by"] = json!({"places": 1});
        all["owners"] = json!({"user-1": tally(of_one), "user-2": tally(of_two)});
        serde_json::from_value(all).expect("it is as the simulator prints it")
    }

    #[test]
    fn a_task_that_begins_as_another_ends_comes_after_it() {
        let made = |from, to| Made {
            task_id: String::new(),
            from,
            to,
            owners: Vec::new(),
        };
        let one_by_one = [made(1, Some(5)), made(5, Some(9))];
        assert_eq!(most_at_once(&one_by_one), 1);
        let together = [made(1, Some(6)), made(5, Some(9)), made(6, None)];
        assert_eq!(most_at_once(&together), 2);
        assert_eq!(most_at_once([]), 0);
    }

    #[test]
    fn shares_of_places_are_those_of_the_time_between() {
        let (before, after) = (
            places(1_000, 500, 500, 0),
            places(3_000, 6_500, 3_500, 3_000),
        );
        assert_eq!(after.taken_since(&before).to_string(), "3");
        assert_eq!(after.taken_since(&after).to_string(), "0");
        let fairness = |owners: &[&str]| {
            let owners = owners.iter().copied();
            after.fairness_since(&before, owners).to_string()
        };
        assert_eq!(fairness(&["user-1", "user-2"]), "1");
        assert_eq!(fairness(&["user-1", "nobody"]), "0.5");
        assert_eq!(fairness(&["nobody"]), "1");
    }
}
