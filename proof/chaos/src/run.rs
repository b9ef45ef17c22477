//! Scenarios, and one run of a scenario.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use harness::lock;
use harness::suite::caught;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use harness::cluster::{Backend, Cluster, Setup};
use harness::servers::Servers;

/// A scenario that takes this much longer than its duration hangs.
const LIMIT: Duration = Duration::from_mins(12);

/// Faults, and what must hold after them.
#[derive(Clone)]
pub struct Scenario {
    /// Its name on the command line: lower case words with hyphens.
    pub name: &'static str,
    /// What happens, and what must come of it.
    pub about: &'static str,
    /// What else may run at the same time.
    pub beside: Beside,
    /// The length of a short run; `None` if the scenario has one fixed length.
    pub lasts: Option<Duration>,
    body: Body,
}

/// What may run at the same time as a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Anything.
    Anything,
    /// No other scenario: it breaks the servers.
    OtherServers,
    /// Nothing on this machine: it measures how long something takes.
    Nothing,
}

type Body = Arc<dyn for<'a> Fn(&'a Run) -> LocalBoxFuture<'a, ()> + Send + Sync>;

/// A run of a scenario.
#[derive(Debug)]
pub(crate) struct Run {
    pub servers: Arc<Servers>,
    /// The seed of all random choices.
    pub seed: u64,
    /// How long faults go on; zero for a scenario with a fixed length.
    pub duration: Duration,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    violations: Vec<String>,
    facts: BTreeMap<&'static str, Value>,
    logs: String,
}

/// The result of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: &'static str,
    /// What happens in the scenario.
    pub about: &'static str,
    /// The seed of the run.
    pub seed: u64,
    /// How long the run took.
    pub seconds: f64,
    /// What did not hold; empty if the run passed.
    pub violations: Vec<String>,
    /// What was counted and measured.
    pub facts: BTreeMap<&'static str, Value>,
    /// The last lines of all logs, if the run failed.
    #[serde(skip)]
    pub logs: String,
}

impl Outcome {
    /// Whether everything held.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }
}

impl Scenario {
    /// A scenario of a fixed length that leaves the servers alone. `body` panics, or calls
    /// [`Run::violation`], if something does not hold.
    pub(crate) fn new<F>(name: &'static str, about: &'static str, body: F) -> Self
    where
        F: AsyncFn(&Run) + Copy + Send + Sync + 'static,
    {
        Self {
            name,
            about,
            beside: Beside::Anything,
            lasts: None,
            body: shared(move |run| Box::pin(async move { body(run).await })),
        }
    }

    /// The scenario breaks the servers.
    pub(crate) fn exclusive(mut self) -> Self {
        self.beside = Beside::OtherServers;
        self
    }

    /// The scenario measures how long something takes.
    pub(crate) fn measured(mut self) -> Self {
        self.beside = Beside::Nothing;
        self
    }

    /// The scenario goes on as long as the caller likes; a short run takes so many seconds.
    pub(crate) fn lasts(mut self, seconds: u64) -> Self {
        self.lasts = Some(Duration::from_secs(seconds));
        self
    }

    /// Runs it once.
    pub async fn run(&self, servers: &Arc<Servers>, seed: u64, duration: Duration) -> Outcome {
        let started = Instant::now();
        let run = Run {
            servers: Arc::clone(servers),
            seed,
            duration: self.lasts.map(|_| duration).unwrap_or_default(),
            found: Mutex::default(),
        };
        let limit = run.duration + LIMIT;
        match timeout(limit, caught((self.body)(&run))).await {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => run.violation(panic),
            Err(_) => run.violation(format!("it takes longer than {limit:?}")),
        }
        let found = run.found.into_inner();
        let found = found.unwrap_or_else(PoisonError::into_inner);
        Outcome {
            scenario: self.name,
            about: self.about,
            seed,
            seconds: started.elapsed().as_secs_f64(),
            violations: found.violations,
            facts: found.facts,
            logs: found.logs,
        }
    }
}

/// Only for type inference: the closure takes a reference of any lifetime.
fn shared<F>(body: F) -> Body
where
    F: for<'a> Fn(&'a Run) -> LocalBoxFuture<'a, ()> + Send + Sync + 'static,
{
    Arc::new(body)
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Run {
    /// Starts a cluster on the servers, does `work` on it, and takes it down, also after a panic.
    pub async fn on_cluster(&self, setup: &Setup, work: impl AsyncFnOnce(&Cluster)) {
        let private = Backend::Private(Arc::clone(&self.servers));
        self.on(private, setup, work).await;
    }

    /// The same on any backend.
    pub async fn on(&self, backend: Backend, setup: &Setup, work: impl AsyncFnOnce(&Cluster)) {
        let setup = Setup {
            name: "chaos",
            proxies: true,
            ..setup.clone()
        };
        let cluster = Box::pin(Cluster::start(backend, &setup)).await;
        if let Err(panic) = caught(Box::pin(work(&cluster))).await {
            self.violation(panic);
        }
        for panic in cluster.panics() {
            self.violation(panic);
        }
        {
            let mut found = lock(&self.found);
            if !found.violations.is_empty() {
                found.logs.push_str(&cluster.logs());
            }
        }
        if let Err(panic) = caught(cluster.take_down()).await {
            self.violation(format!("taking the cluster down: {panic}"));
        }
    }

    /// Adds something that does not hold.
    pub fn violation(&self, what: impl Into<String>) {
        lock(&self.found).violations.push(what.into());
    }

    /// Adds a value to the report.
    pub fn fact(&self, name: &'static str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        lock(&self.found).facts.insert(name, value);
    }
}
