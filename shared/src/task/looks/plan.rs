//! The gaps between looks at the tasks of one channel.

use std::time::Duration;

use super::chances::Chances;
use crate::task::wait::{PollPace, Rung};

/// How many looks a second a channel without a bound is planned for: as one of 50 calls of a hundred ids.
const WITHOUT_BOUND: f64 = 5_000.0;
/// Up to this age, in seconds, the tables have an entry for each second; beyond, ever fewer.
const EVEN: f64 = 60.0;
/// How many entries the tables have: the last is at half an hour. Beyond it all stays as there.
const AGES: usize = 265;
/// So many times as long as any other gap may be the one before the first look.
const LATE_FIRST: f64 = 2.0;
/// The longest gap of all: the longest delay of the broker.
const LONGEST: f64 = 300.0;
/// The steps of the search for the price.
const STEPS: u32 = 14;

/// The tasks of one action that are at a channel.
#[derive(Debug, Clone)]
pub struct InFlight {
    /// When they end.
    pub chances: Chances,
    /// How many begin a second, or a number in the same relation to those of other actions.
    pub begin: f64,
}

/// What a channel allows, and what an operator wants.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// How many looks a second: calls a second × tasks a call, as far as calls are full. `None`: any number.
    pub looks: Option<f64>,
    /// `POLL_INITIAL_DELAY`: no look comes sooner after the task was accepted. `POLL_MAX_DELAY`: the longest gap, if
    /// `looks` are enough for it.
    pub pace: PollPace,
    /// How much longer a gap takes than its delay: until the task is asked about and its next delay begins.
    pub overhead: fn(Rung) -> Duration,
}

/// The gaps between looks at the tasks of one action at one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    first: Rung,
    /// By the age at a look; [`entry`] says which.
    after: Vec<Rung>,
}

impl Plan {
    /// The delay before the first look.
    pub fn first(&self) -> Rung {
        self.first
    }

    /// The delay after a look at this age.
    pub fn after(&self, age: Duration) -> Rung {
        let (entry, _) = entry(age.as_secs_f64());
        self.after[entry]
    }
}

/// The plans for all tasks at a channel.
#[derive(Debug, Clone)]
pub struct Plans {
    /// In the order of the actions.
    pub plans: Vec<Plan>,
    /// The mean time between two looks at a task.
    pub gap: Duration,
    /// Whether tasks could be looked at more often if the channel allowed more looks.
    pub is_scarce: bool,
}

/// The plans for the tasks at a channel. `tasks`: how many are in flight, of all actions.
pub fn plans(actions: &[InFlight], tasks: u32, allowed: &Allowed) -> Plans {
    let looks = allowed.looks.unwrap_or(WITHOUT_BOUND);
    let tasks = f64::from(tasks);
    let mut gaps = Gaps {
        price: 0.0,
        longest: allowed.pace.max.as_secs_f64().max(1.0),
        allowed,
    };
    let wanted = |gaps: &Gaps| tasks * looks_of_one(actions, gaps);
    // As fast as can be, if the channel allows that.
    let is_scarce = wanted(&gaps) > looks;
    if is_scarce {
        let (mut low, mut high) = (1e-3_f64, 1e3_f64);
        gaps.price = high;
        while wanted(&gaps) > looks && gaps.longest < LONGEST {
            gaps.longest *= 1.1;
        }
        for _ in 0..STEPS {
            gaps.price = (low * high).sqrt();
            if wanted(&gaps) > looks {
                low = gaps.price;
            } else {
                high = gaps.price;
            }
        }
        gaps.price = high;
    }
    let plans = actions.iter().map(|action| gaps.best(&action.chances).0);
    Plans {
        plans: plans.collect(),
        gap: Duration::from_secs_f64(1.0 / looks_of_one(actions, &gaps)),
        is_scarce,
    }
}

/// How many looks a second one task in flight gets on average.
fn looks_of_one(actions: &[InFlight], gaps: &Gaps) -> f64 {
    let (mut looks, mut seconds) = (0.0, 0.0);
    for action in actions {
        let (_, start) = gaps.best(&action.chances);
        looks += action.begin * start.looks;
        seconds += action.begin * start.seconds;
    }
    looks / seconds
}

/// What is to come of a task that lives, on average, until a look sees its end.
#[derive(Debug, Clone, Copy, Default)]
struct ToCome {
    /// Its looks, each at the price, and its lateness.
    costs: f64,
    looks: f64,
    seconds: f64,
}

/// How gaps are chosen.
struct Gaps<'a> {
    price: f64,
    longest: f64,
    allowed: &'a Allowed,
}

impl Gaps<'_> {
    /// Finds the best delay after a look at each age: the one for which all that is to come costs the least. The last age
    /// comes first, because what is to come at an age depends on the ages after it. Returns the plan, and what is to come
    /// of a task that begins.
    fn best(&self, chances: &Chances) -> (Plan, ToCome) {
        let mut to_come = vec![ToCome::default(); AGES];
        let mut after = vec![Rung::SHORTEST; AGES];
        for age in (0..AGES).rev() {
            (after[age], to_come[age]) = self.best_at(chances, age, self.longest, &to_come);
        }
        // There was no look before the first one, so it may come later than the others.
        let (first, start) = self.best_at(chances, 0, self.longest * LATE_FIRST, &to_come);
        (Plan { first, after }, start)
    }

    fn best_at(
        &self,
        chances: &Chances,
        age: usize,
        longest: f64,
        to_come: &[ToCome],
    ) -> (Rung, ToCome) {
        let initial = self.allowed.pace.initial;
        let too_young = initial.saturating_sub(Duration::from_secs_f64(age_of(age)));
        let shortest = Rung::at_least(too_young);
        let mut best = (shortest, self.costs(chances, age, shortest, to_come));
        for rung in Rung::LADDER.into_iter().filter(|rung| *rung > shortest) {
            if self.gap(rung) > longest + 0.5 {
                break;
            }
            let costs = self.costs(chances, age, rung, to_come);
            if costs.costs < best.1.costs {
                best = (rung, costs);
            }
        }
        best
    }

    /// What is to come after a look at this age, if the next delay is this one.
    fn costs(&self, chances: &Chances, age: usize, rung: Rung, to_come: &[ToCome]) -> ToCome {
        let gap = self.gap(rung);
        let from = age_of(age);
        let next = from + gap;
        let lives = chances.lives(next) / chances.lives(from);
        let cost = self.price + chances.cost(from, next);
        // The few that live longer than the table is long change nothing.
        let (entry, part) = entry(next);
        let at = |entry: usize| to_come.get(entry).copied().unwrap_or_default();
        // A short gap may not reach the next entry: then what is to come there is a part of what is to come here.
        let (here, before) = if entry == age {
            (lives * (1.0 - part), ToCome::default())
        } else {
            (0.0, at(entry))
        };
        let behind = at(entry + 1);
        let sum = |now: f64, before: f64, behind: f64| {
            (now + lives * ((1.0 - part) * before + part * behind)) / (1.0 - here)
        };
        ToCome {
            costs: sum(cost, before.costs, behind.costs),
            looks: sum(1.0, before.looks, behind.looks),
            seconds: sum(gap, before.seconds, behind.seconds),
        }
    }

    /// How long a gap takes with this delay.
    fn gap(&self, rung: Rung) -> f64 {
        (rung.duration() + (self.allowed.overhead)(rung)).as_secs_f64()
    }
}

/// The age of an entry, in seconds.
fn age_of(entry: usize) -> f64 {
    let entry = u32::try_from(entry).map_or(f64::INFINITY, f64::from);
    if entry <= EVEN {
        entry
    } else {
        EVEN * ((entry - EVEN) / EVEN).exp()
    }
}

/// The last entry that is no older than `age`, in seconds, and how far the age is on the way to the next one.
fn entry(age: f64) -> (usize, f64) {
    let entry = if age <= EVEN {
        age
    } else {
        EVEN + EVEN * (age / EVEN).ln()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an age is not negative, and beyond the table the last entry holds"
    )]
    let whole = (entry as usize).min(AGES - 1);
    (whole, entry.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_reach_half_an_hour() {
        assert!((1_750.0..1_850.0).contains(&age_of(AGES - 1)));
        for (age, at) in [(0.4, 0), (59.9, 59), (60.5, 60), (1e9, AGES - 1)] {
            assert_eq!(entry(age).0, at, "{age}");
        }
        for number in 0..AGES {
            let (found, _) = entry(age_of(number) + 1e-6);
            assert_eq!(found, number);
        }
    }
}
