//! Files of clips.

use std::time::Duration;

use super::Upstream;
use crate::{
    fault::{Fault, Kind},
    random,
};

/// The answer to a question for a file.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whether the file is there.
    pub is_there: bool,
    /// A fault of a fetch.
    pub fault: Option<Fault>,
    /// Whether the message prints secrets.
    pub leaks: bool,
    pub latency: Duration,
}

impl Upstream {
    /// Asks for a file by its name. It is there as long after the first question as lyrics take.
    pub fn act(&self, name: &str) -> Asked {
        let mut state = self.state();
        let now = self.clock.now();
        let counts = &mut state.counts.fetches;
        let mut rng = random::rng(self.options.seed, ("act", counts.asked));
        counts.asked += 1;
        let latency = self.options.fetch_latency.draw(&mut rng);
        let fault = state.faults.draw(Kind::Fetch, &mut rng);
        if let Some(fault) = fault {
            state.counts.happened(fault);
        }
        let leaks = state.faults.rate(Fault::Leak).hits(&mut rng);
        let takes = self.options.lyrics_time.draw(&mut rng);
        let from = now + u64::try_from(takes.as_millis()).unwrap_or(u64::MAX);
        let from = *state.files.entry(name.to_owned()).or_insert(from);
        Asked {
            is_there: from <= now,
            fault,
            leaks,
            latency,
        }
    }
}
