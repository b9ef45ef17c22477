//! Plans tried on songs as real ones: how late their ends are seen, and how many looks that takes.

use std::time::Duration;

use super::chances::{Chances, Guess};
use super::durations::Durations;
use super::plan::{Allowed, InFlight, Plan, plans};
use crate::clock::Millis;
use crate::random::Random;
use crate::task::wait::{PollPace, Rung};

const NOW: Millis = Millis(1_000_000);
const SONG: Guess = Guess {
    median: Duration::from_secs(90),
    sigma: 0.8,
};

fn overhead(rung: Rung) -> Duration {
    Duration::from_millis(if rung.seconds() < 5 { 350 } else { 600 })
}

fn allowed(looks: f64) -> Allowed {
    Allowed {
        looks: Some(looks),
        pace: PollPace {
            initial: Duration::from_secs(5),
            max: Duration::from_secs(30),
        },
        overhead,
    }
}

/// How long a song takes, in seconds: lognormal, cut to 30 s to 300 s, times `pace`.
fn song(random: &Random, pace: f64) -> f64 {
    let radius = (-2.0 * random.unit().max(1e-12).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * random.unit()).cos();
    (90.0 * (0.4 * normal).exp()).clamp(30.0, 300.0) * pace
}

fn learn(random: &Random, learnt: Durations, songs: u32, pace: f64) -> Durations {
    (0..songs).fold(learnt, |learnt, _| {
        let took = Duration::from_secs_f64(song(random, pace));
        let mut one = Durations::default();
        one.count(took, true, NOW);
        learnt.and(&one, NOW)
    })
}

fn planned(learnt: &Durations, tasks: u32, looks: f64) -> Plan {
    let action = InFlight {
        chances: Chances::new(learnt, SONG),
        begin: 1.0,
    };
    plans(&[action], tasks, &allowed(looks * 0.97))
        .plans
        .remove(0)
}

struct Seen {
    mean: f64,
    p99: f64,
    /// Looks a second, of all tasks in flight.
    looks: f64,
}

/// Follows many songs to the looks that see their ends.
fn seen(random: &Random, plan: &Plan, tasks: u32, pace: f64) -> Seen {
    let gap = |rung: Rung| {
        let jitter = 0.5 + random.unit();
        rung.duration().as_secs_f64() + overhead(rung).as_secs_f64() * jitter
    };
    let (mut late, mut looks, mut seconds) = (Vec::new(), 0.0, 0.0);
    for _ in 0..10_000 {
        let ends = song(random, pace);
        let mut age = gap(plan.first());
        looks += 1.0;
        while age < ends {
            age += gap(plan.after(Duration::from_secs_f64(age)));
            looks += 1.0;
        }
        seconds += age;
        late.push(age - ends);
    }
    late.sort_by(f64::total_cmp);
    Seen {
        mean: late.iter().sum::<f64>() / 10_000.0,
        p99: late[9_900],
        looks: looks / seconds * f64::from(tasks),
    }
}

#[test]
fn looks_go_where_ends_are_likely_and_are_as_many_as_the_channel_allows() {
    let random = Random::seeded(5);
    let learnt = learn(&random, Durations::default(), 4000, 1.0);
    for (tasks, looks, mean, p99) in [
        (100, 500.0, 0.8, 1.9),
        (1_000, 500.0, 1.25, 3.6),
        (10_000, 2_000.0, 2.6, 9.0),
        (10_000, 1_000.0, 4.6, 18.0),
        (10_000, 500.0, 7.2, 25.0),
        (1_000, 50.0, 7.2, 25.0),
    ] {
        let plan = planned(&learnt, tasks, looks);
        let seen = seen(&random, &plan, tasks, 1.0);
        println!(
            "{tasks} tasks, {looks} looks: mean {:.2}, p99 {:.2}, looks {:.0}",
            seen.mean, seen.p99, seen.looks
        );
        assert!(seen.looks <= looks, "{} of {looks}", seen.looks);
        assert!(seen.mean <= mean && seen.p99 <= p99);
    }
}

#[test]
fn a_channel_that_changes_its_habits_is_followed() {
    let random = Random::seeded(5);
    let learnt = learn(&random, Durations::default(), 4000, 1.0);
    for pace in [0.5, 2.0] {
        let settled = learn(&random, Durations::default(), 600, pace);
        let settled = seen(&random, &planned(&settled, 10_000, 500.0), 10_000, pace);
        let before = seen(&random, &planned(&learnt, 10_000, 500.0), 10_000, pace);
        // About as many songs as end in half a minute.
        let after = learn(&random, learnt.clone(), 1_000, pace);
        let after = seen(&random, &planned(&after, 10_000, 500.0), 10_000, pace);
        println!(
            "{pace}: settled {:.2}, at first {:.2}, then {:.2}",
            settled.mean, before.mean, after.mean
        );
        assert!(after.mean < settled.mean * 1.2);
    }
}

#[test]
fn no_look_comes_before_the_initial_delay_is_over() {
    let mut allowed = allowed(5_000.0);
    allowed.pace.initial = Duration::from_secs(20);
    let action = InFlight {
        chances: Chances::new(&Durations::default(), SONG),
        begin: 1.0,
    };
    let plan = plans(&[action], 1, &allowed).plans.remove(0);
    assert_eq!(plan.first().seconds(), 20);
    // A sweep may have found the task earlier.
    let after = |age| plan.after(Duration::from_secs(age)).seconds();
    assert_eq!([0, 8, 15, 19, 40].map(after), [20, 12, 5, 1, 1]);
}

#[test]
fn before_anything_is_learnt_looks_are_about_evenly_spread() {
    let random = Random::seeded(5);
    let plan = planned(&Durations::default(), 10_000, 500.0);
    let seen = seen(&random, &plan, 10_000, 1.0);
    println!("mean {:.2}, looks {:.0}", seen.mean, seen.looks);
    assert!(seen.mean < 13.0 && seen.looks < 700.0);
}
