//! Many tasks made at once without a submit each, for benchmarks.

use serde::Deserialize;

use super::Upstream;
use crate::{
    directives::Directives,
    id::Id,
    life::Life,
    random,
    request::{Action, Body, Request},
    span::Span,
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
}

impl Upstream {
    /// Makes a series as if each task had been accepted just now; returns that moment, ms since 1970. Tasks with the same
    /// ids are replaced.
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
        let born = self.clock.now();
        let mut rng = random::rng(self.options.seed, ("series", order.number));
        let mut draw = || {
            let mut life = Life::plan(born, time.draw(&mut rng), &mut rng);
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
        Ok(born)
    }
}
