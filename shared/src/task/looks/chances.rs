//! When a task ends: its chances by age, of what was learnt and a guess.

use std::time::Duration;

use super::durations::{BUCKETS, Durations, upper_end};

/// How long tasks take before anything is learnt: lognormal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    /// Half of them take longer.
    pub median: Duration,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
}

/// As how many learnt tasks the guess counts: so no age is without a chance.
const GUESS_COUNTS: f64 = 4.0;
/// The width of a step of the tables, in seconds.
const STEP: f64 = 1.0;
/// How many steps the tables have: half an hour.
const STEPS: usize = 1_801;

/// The chances of a task that an upstream accepted, in steps of a second.
#[derive(Debug, Clone)]
pub struct Chances {
    /// That the task has ended at this age.
    ended: Vec<f64>,
    /// The sum of `ended` over all ages up to this one: the integral.
    area: Vec<f64>,
}

impl Chances {
    /// The chances by what was learnt, and by the guess as far as little was.
    pub fn new(learnt: &Durations, guess: Guess) -> Self {
        let share = shares(learnt, guess);
        let mut ended = Vec::with_capacity(STEPS);
        let (mut bucket, mut before, mut from) = (0, 0.0, 0.0);
        for step in 0..STEPS {
            let age = age_of(step);
            while bucket < BUCKETS - 1 && upper_end(bucket) < age {
                before += share[bucket];
                from = upper_end(bucket);
                bucket += 1;
            }
            let part = ((age - from) / (upper_end(bucket) - from)).clamp(0.0, 1.0);
            // Something is left at any age.
            ended.push((before + share[bucket] * part).min(1.0 - 1e-6));
        }
        let mut area = Vec::with_capacity(STEPS);
        let mut sum = 0.0;
        area.push(sum);
        for pair in ended.windows(2) {
            sum += f64::midpoint(pair[0], pair[1]) * STEP;
            area.push(sum);
        }
        Self { ended, area }
    }

    /// The chance that a task has not ended at an age in seconds.
    pub(super) fn lives(&self, age: f64) -> f64 {
        1.0 - at(&self.ended, age)
    }

    /// The mean lateness, in seconds, that a gap costs between a look at age `from` and one at age `to`, if the task
    /// lived at the first.
    pub(super) fn cost(&self, from: f64, to: f64) -> f64 {
        let area = at(&self.area, to) - at(&self.area, from);
        let before = at(&self.ended, from) * (to - from);
        (area - before).max(0.0) / self.lives(from)
    }
}

fn age_of(step: usize) -> f64 {
    u32::try_from(step).map_or(f64::INFINITY, f64::from) * STEP
}

/// The value of a table at an age, between its steps; beyond the end, the last one holds.
fn at(table: &[f64], age: f64) -> f64 {
    let last = table.len() - 1;
    let age = age.clamp(0.0, age_of(last));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an age is not negative, and as large as half an hour counts"
    )]
    let step = ((age / STEP) as usize).min(last - 1);
    let part = age / STEP - age_of(step) / STEP;
    table[step] + (table[step + 1] - table[step]) * part
}

/// The share of each bucket.
fn shares(learnt: &Durations, guess: Guess) -> [f64; BUCKETS] {
    let median = guess.median.as_secs_f64();
    let guessed = |age: f64| normal((age / median).ln() / guess.sigma);
    let mut share = [0.0; BUCKETS];
    let mut before = 0.0;
    for (bucket, share) in share.iter_mut().enumerate() {
        let upto = guessed(upper_end(bucket));
        *share = learnt.in_bucket(bucket) + GUESS_COUNTS * (upto - before);
        before = upto;
    }
    let total: f64 = share.iter().sum();
    share.map(|count| count / total)
}

/// The share of a normal distribution up to `x`: a logistic function, which is close enough for a guess.
fn normal(x: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    const SONG: Guess = Guess {
        median: Duration::from_secs(90),
        sigma: 0.8,
    };

    #[test]
    fn a_guess_has_its_median_and_no_age_without_a_chance() {
        let chances = Chances::new(&Durations::default(), SONG);
        assert!((chances.lives(90.0) - 0.5).abs() < 0.05);
        for age in 1_u32..1_800 {
            let (from, to) = (f64::from(age), f64::from(age + 1));
            assert!(chances.cost(from, to) > 0.0, "{age}");
        }
    }

    #[test]
    fn what_was_learnt_outweighs_the_guess() {
        let mut one = Durations::default();
        one.count(Duration::from_secs(40), true, Millis(0));
        let learnt = (0..300).fold(Durations::default(), |all, _| all.and(&one, Millis(0)));
        let chances = Chances::new(&learnt, SONG);
        assert!(chances.lives(34.0) > 0.97 && chances.lives(45.0) < 0.05);
        assert!(chances.cost(33.0, 43.0) > 20.0 * chances.cost(10.0, 20.0));
    }

    #[test]
    fn the_cost_of_a_gap_grows_with_its_square_where_the_chance_is_even() {
        let chances = Chances::new(&Durations::default(), SONG);
        let ratio = chances.cost(100.0, 108.0) / chances.cost(100.0, 104.0);
        assert!((3.5..4.5).contains(&ratio), "{ratio}");
    }
}
