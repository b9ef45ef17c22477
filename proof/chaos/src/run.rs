//! One run of one scenario: what it is given, what it notes, and how it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use harness::suite::caught;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::site::{Setup, Site};
use harness::servers::Servers;

/// How much longer than its duration a scenario may take before it counts as one that hangs.
const LONGEST: Duration = Duration::from_mins(12);

/// Something that is broken on purpose, and what must hold after it.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called on the command line: lower case words with hyphens.
    pub name: &'static str,
    /// What happens in it, in one sentence.
    pub about: &'static str,
    /// Whether it breaks the servers themselves, so that nothing else may run beside it.
    pub harsh: bool,
    /// For how long it goes on in a short run, if it goes on for as long as one likes.
    pub lasts: Option<Duration>,
    /// What it does. It panics, or notes a break, when something does not hold.
    pub body: for<'a> fn(&'a Run) -> LocalBoxFuture<'a, ()>,
}

/// A run of a scenario.
#[derive(Debug)]
pub struct Run {
    /// The servers; a gentle scenario leaves them alone.
    pub servers: Arc<Servers>,
    /// Where all chance comes from.
    pub seed: u64,
    /// For how long it goes on, if it goes on for as long as one likes.
    pub duration: Duration,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    breaks: Vec<String>,
    facts: BTreeMap<&'static str, Value>,
    logs: String,
}

/// What a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The scenario.
    pub scenario: &'static str,
    /// What happens in it.
    pub about: &'static str,
    /// The seed it was run with.
    pub seed: u64,
    /// How long it took.
    pub seconds: f64,
    /// What did not hold: nothing, when all is well.
    pub breaks: Vec<String>,
    /// What was counted and measured.
    pub facts: BTreeMap<&'static str, Value>,
    /// The ends of the logs, when something did not hold.
    #[serde(skip)]
    pub logs: String,
}

impl Outcome {
    /// Whether all is well.
    pub fn holds(&self) -> bool {
        self.breaks.is_empty()
    }
}

impl Scenario {
    /// Runs it.
    pub async fn run(&self, servers: &Arc<Servers>, seed: u64, duration: Duration) -> Outcome {
        let started = Instant::now();
        let run = Run {
            servers: Arc::clone(servers),
            seed,
            duration: if self.lasts.is_some() {
                duration
            } else {
                Duration::ZERO
            },
            found: Mutex::default(),
        };
        let limit = run.duration + LONGEST;
        match timeout(limit, caught((self.body)(&run))).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => run.broke(why),
            Err(_) => run.broke(format!("it takes longer than {limit:?}")),
        }
        let found = run
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Outcome {
            scenario: self.name,
            about: self.about,
            seed,
            seconds: started.elapsed().as_secs_f64(),
            breaks: found.breaks,
            facts: found.facts,
            logs: found.logs,
        }
    }
}

impl Run {
    /// Starts a site, does `work` on it, and takes it down, whatever becomes of it.
    pub async fn on_site(&self, setup: &Setup, work: impl AsyncFnOnce(&Site)) {
        let site = Box::pin(Site::start(&self.servers, setup)).await;
        if let Err(why) = caught(Box::pin(work(&site))).await {
            self.broke(why);
        }
        for panic in site.panics() {
            self.broke(panic);
        }
        self.keep_logs(&site);
        // What went wrong before is worth more than what goes wrong now.
        if let Err(why) = caught(site.take_down()).await {
            self.broke(format!("taking it down: {why}"));
        }
    }

    fn keep_logs(&self, site: &Site) {
        let mut found = self.found();
        if !found.breaks.is_empty() {
            found.logs.push_str(&site.logs());
        }
    }

    /// Notes something that does not hold.
    pub fn broke(&self, why: impl Into<String>) {
        self.found().breaks.push(why.into());
    }

    /// Notes something for the report.
    pub fn fact(&self, name: &'static str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.found().facts.insert(name, value);
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
