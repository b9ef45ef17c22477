//! Many tasks made at once without a submit each, for benchmarks.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::Deserialize;

use super::Upstream;
use crate::{
    directives::Directives,
    id::Id,
    life::Life,
    random,
    request::{Action, Body, Request},
    span::{Span, duration},
    task::Task,
};

/// An order for songs that differ only in their lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The first part of the ids; see [`Id::in_series`].
    #[serde(rename = "series")]
    number: u16,
    /// How many songs.
    count: u32,
    /// How long each takes; the default is the run's song time.
    #[serde(default)]
    takes: Option<String>,
    /// Whether the songs have no end of their own.
    #[serde(default)]
    stuck: bool,
    /// In how long from now the songs are in flight at mixed ages: as those of an upstream that has been getting songs
    /// steadily for long. Without it all of them are accepted now.
    #[serde(default)]
    mixed_in: Option<String>,
}

impl Upstream {
    /// Makes a series as if each task had been accepted just now, or such that all are in flight at mixed ages in a
    /// while; returns that moment, ms since 1970. Tasks with the same ids are replaced.
    pub fn make(&self, order: &Series) -> Result<u64, String> {
        let time = match &order.takes {
            Some(takes) => takes.parse::<Span>()?,
            None => self.options.song_time,
        };
        let request = Request {
            action: Action::Music,
            body: Body {
                title: Some("One of many".to_owned()),
                prompt: Some("[Verse]\nRain on a tin roof".to_owned()),
                tags: Some("folk".to_owned()),
                ..Body::default()
            },
            directives: Directives::default(),
        };
        let mixed_in = order.mixed_in.as_deref().map(duration).transpose()?;
        let moment = self.clock.now() + mixed_in.map_or(0, milliseconds);
        let mut rng = random::rng(self.options.seed, ("series", order.number));
        let mut draw = || {
            let (age, length) = match mixed_in {
                Some(_) => in_flight(time, &mut rng),
                None => (Duration::ZERO, time.draw(&mut rng)),
            };
            let born = moment.saturating_sub(milliseconds(age));
            let mut life = Life::plan(born, length, &mut rng);
            life.stuck = order.stuck;
            life
        };
        let one = Task::new(&request, 0, draw(), false);
        let mut state = self.state();
        for n in 0..order.count {
            let task = Task {
                number: u64::from(n),
                life: draw(),
                ..one.clone()
            };
            state.tasks.insert(Id::in_series(order.number, n), task);
        }
        Ok(moment)
    }
}

/// The age and the whole length of a song that is in flight at an upstream that has been getting songs steadily for
/// long: of the songs that began at any moment before, one that has not ended.
fn in_flight(time: Span, rng: &mut impl Rng) -> (Duration, Duration) {
    loop {
        let age = rng.random_range(Duration::ZERO..=time.longest());
        let length = time.draw(rng);
        if age <= length {
            return (age, length);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn a_song_in_flight_is_between_its_beginning_and_its_end_and_a_long_one_is_likelier() {
        let mut rng = StdRng::seed_from_u64(1);
        let span: Span = "10s..20s".parse().unwrap();
        let drawn: Vec<_> = (0..10_000).map(|_| in_flight(span, &mut rng)).collect();
        assert!(drawn.iter().all(|(age, length)| age <= length));
        let mean = |of: fn(&(Duration, Duration)) -> Duration| {
            drawn.iter().map(of).sum::<Duration>().as_secs_f64() / 10_000.0
        };
        // The mean of the squares of the lengths over twice their mean, and over their mean.
        let (age, length) = (mean(|drawn| drawn.0), mean(|drawn| drawn.1));
        assert!((age - 7.78).abs() < 0.15, "{age}");
        assert!((length - 15.56).abs() < 0.15, "{length}");
        assert_eq!(
            in_flight(Span::exactly(Duration::ZERO), &mut rng).1,
            Duration::ZERO
        );
    }
}
