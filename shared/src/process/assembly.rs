//! A program from its configuration to its exit code.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::gauges::{self, Gauges};
use super::lifecycle::{ComponentDied, Components, Stop, stop_on_signals};
use super::start::{StartError, open_broker, open_store, put_environment_channel};
use super::telemetry::{self, Figures};
use super::{count_folder, time_keeper};
use crate::broker::SharedBroker;
use crate::clock::{FollowingClock, SharedClock};
use crate::config::{Config, Program, from_environment, look_alikes};
use crate::random::Random;
use crate::store::{Plans, Store};

/// Why a program ends with exit code 1, in words for the person who started it.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Reads the configuration, starts the logs and runs `serve`. Returns exit code 1, with the reason
/// on stderr, if the configuration is not valid or `serve` fails.
pub async fn main(
    program: Program,
    serve: impl AsyncFnOnce(Config) -> Result<(), Failed>,
) -> ExitCode {
    let config = match from_environment(program, |program, lookup| Config::read(program, lookup)) {
        Ok(config) => config,
        Err(mistakes) => return fail(&mistakes),
    };
    telemetry::init(&config.log);
    for (name, ours) in look_alikes() {
        tracing::warn!("{name} is set, but nobody reads it: the variable is {ours}");
    }
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        // A person starts the task center. The stderr of the others is a log, in JSON if it is a
        // file.
        Err(error) if program == Program::TaskCenter => fail(&error),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the reason on stderr and returns exit code 1.
pub fn fail(reason: &impl Display) -> ExitCode {
    // A closed stderr must not cause a panic.
    let _ = writeln!(io::stderr(), "error: {reason}");
    ExitCode::FAILURE
}

/// What a running program uses, and the components it runs.
pub struct Process {
    /// The database.
    pub store: Store,
    /// The broker.
    pub broker: SharedBroker,
    /// The database's time.
    pub clock: SharedClock,
    /// The same clock, for those who set it.
    following: Arc<FollowingClock>,
    /// Random numbers.
    pub random: Arc<Random>,
    /// The metrics, for `GET /metrics`.
    pub figures: Figures,
    /// Requested by a signal, or when a component ends too early.
    pub stop: Stop,
    components: Components,
}

impl Process {
    /// Handles the stop signals, opens the store, migrates it, opens the broker, sets the clock,
    /// and writes the environment's channel.
    pub async fn start(config: &Config, program: Program) -> Result<Self, Failed> {
        // Before anything counts.
        Figures::install();
        let stop = Stop::new();
        stop_on_signals(stop.clone())?;
        let plans = match program {
            Program::Worker => Plans::Fresh,
            Program::Api | Program::TaskCenter => Plans::Kept,
        };
        let connections = config.database_max_connections;
        let store = open_store(&config.database_url, connections, plans).await?;
        let random = Arc::new(Random::from_system());
        let broker = open_broker(config, program, random.clone()).await?;
        let process = Self::new(store, broker, random, stop);
        time_keeper::set(&process.following, &process.store)
            .await
            .map_err(StartError::Database)?;
        if let Some(suno) = &config.suno {
            put_environment_channel(&process.store, suno, process.clock.now()).await?;
        }
        Ok(process)
    }

    /// A process on an open store and an open broker.
    pub fn new(store: Store, broker: SharedBroker, random: Arc<Random>, stop: Stop) -> Self {
        let clock = Arc::new(FollowingClock::default());
        let figures = Figures::install();
        figures.describe(gauges::FIGURES);
        gauges::show_build();
        figures.describe(time_keeper::FIGURES);
        Self {
            store,
            broker,
            clock: clock.clone(),
            following: clock,
            random,
            figures,
            stop,
            components: Components::new(),
        }
    }

    /// Adds a component; see [`Components::spawn`].
    pub fn spawn<E: Display>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.components.spawn(name, work);
    }

    /// Runs the components, the gauges and the count folder; see [`Components::run`].
    pub async fn run(&mut self, grace: Duration) -> Result<(), ComponentDied> {
        let gauges = Gauges {
            store: self.store.clone(),
            broker: self.broker.clone(),
            clock: self.clock.clone(),
        };
        self.spawn("gauges", gauges.run(self.stop.clone()));
        let folder = count_folder::run(self.store.clone(), self.random.clone(), self.stop.clone());
        self.spawn("count folder", folder);
        let (clock, store) = (self.following.clone(), self.store.clone());
        self.spawn(
            "time keeper",
            time_keeper::run(clock, store, self.stop.clone()),
        );
        let components = std::mem::take(&mut self.components);
        components.run(self.stop.clone(), grace).await
    }

    /// Closes the broker, then the store.
    pub async fn close(self) {
        self.broker.close().await;
        self.store.close().await;
    }
}
