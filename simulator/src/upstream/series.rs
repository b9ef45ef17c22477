//! Many tasks at once, without a submit each: what a benchmark has in flight before it begins.

use serde::Deserialize;

use super::Upstream;
use crate::{
    chance,
    id::Id,
    life::Life,
    request::{Action, Body, Request},
    span::Span,
    task::Task,
    words::Words,
};

/// Songs to be made, alike but for their lives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The first part of their ids: see [`Id::in_series`].
    #[serde(rename = "series")]
    number: u16,
    /// How many there are.
    count: u32,
    /// How long each takes; as the run's songs, if nothing is said.
    #[serde(default)]
    takes: Option<String>,
    /// They don't end by themselves.
    #[serde(default)]
    stuck: bool,
}

impl Upstream {
    /// Makes a series, as if each of it had been accepted just now; tasks of these ids that were there
    /// are replaced. Says when they were born, ms since 1970.
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
            words: Words::default(),
        };
        let born = self.clock.now();
        let mut rng = chance::source(self.options.seed, ("series", order.number));
        let mut draw = || Life::plan(born, time.draw(&mut rng), &mut rng);
        let marker = chance::digest(request.marker());
        let one = Task::new(&request, 0, marker, draw(), false);
        let mut state = self.state();
        for n in 0..order.count {
            let life = if order.stuck { draw().stuck() } else { draw() };
            let id = Id::in_series(order.number, n);
            state.tasks.insert(id, one.alike(u64::from(n), life));
        }
        Ok(born)
    }
}
