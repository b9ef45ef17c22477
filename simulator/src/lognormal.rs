//! Durations whose logarithms are normally distributed, as those of real songs nearly are.

use std::{f64::consts::TAU, time::Duration};

use rand::{Rng, RngExt};

/// The widest spread: beyond it nearly every draw lies outside of any useful range.
const WIDEST: f64 = 10.0;

/// A lognormal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lognormal {
    /// Half of all draws lie below.
    pub median: Duration,
    /// The standard deviation of the logarithm: two thirds of all draws lie between the median divided by e^sigma and
    /// the median times e^sigma.
    pub sigma: f64,
}

impl Lognormal {
    pub fn new(median: Duration, sigma: &str) -> Result<Self, String> {
        if median.is_zero() {
            return Err("the median of a lognormal span must be above zero".to_owned());
        }
        let read = sigma.trim().parse().ok();
        let sigma = read
            .filter(|sigma| (0.0..=WIDEST).contains(sigma))
            .ok_or_else(|| {
                format!("{sigma:?} is no sigma: give a number from 0 to 10, like 0.4")
            })?;
        Ok(Self { median, sigma })
    }

    pub fn draw(self, rng: &mut impl Rng) -> Duration {
        let seconds = self.median.as_secs_f64() * (self.sigma * normal(rng)).exp();
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// A number from the standard normal distribution, by the method of Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    // Above zero, as zero has no logarithm.
    let radius = 1.0 - rng.random::<f64>();
    let angle = rng.random::<f64>();
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}
