//! Exponential backoff, by the `backoff` crate.
//!
//! The crate is unmaintained (RUSTSEC-2025-0012), but the project's user asked for it. Only this module
//! uses it, and only its arithmetic, not its clock or its random numbers. To replace the crate, replace the
//! body of [`growing`].

use std::time::Duration;

use ::backoff::ExponentialBackoff;
use ::backoff::backoff::Backoff as _;

use crate::random::Random;

/// The wait number `count` (from 0) of a series that starts at `initial` and grows by `factor` each time,
/// up to `max`.
pub fn growing(initial: Duration, factor: f64, max: Duration, count: u32) -> Duration {
    let mut row = ExponentialBackoff {
        current_interval: initial.min(max),
        initial_interval: initial.min(max),
        randomization_factor: 0.0,
        multiplier: factor,
        max_interval: max,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut wait = initial.min(max);
    for _ in 0..=count {
        wait = row.next_backoff().unwrap_or(max);
        if wait >= max {
            break;
        }
    }
    wait.min(max)
}

/// `wait` with jitter: up to `part` (0.1 is a tenth) shorter or longer, so that callers that failed
/// together do not retry together.
pub fn jittered(wait: Duration, part: f64, random: &Random) -> Duration {
    wait.mul_f64(1.0 - part + 2.0 * part * random.unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_grows_by_its_factor_and_stops_at_its_most() {
        let waits: Vec<u128> = (0..7)
            .map(|n| growing(Duration::from_secs(5), 1.5, Duration::from_secs(30), n).as_millis())
            .collect();
        assert_eq!(waits, [5000, 7500, 11250, 16875, 25312, 30000, 30000]);
    }

    #[test]
    fn an_initial_wait_above_the_most_is_the_most() {
        let wait = growing(Duration::from_mins(1), 2.0, Duration::from_secs(30), 0);
        assert_eq!(wait, Duration::from_secs(30));
    }

    #[test]
    fn a_jittered_wait_stays_within_its_part() {
        let random = Random::seeded(7);
        for _ in 0..100 {
            let wait = jittered(Duration::from_secs(10), 0.1, &random);
            assert!((9.0..=11.0).contains(&wait.as_secs_f64()));
        }
    }
}
