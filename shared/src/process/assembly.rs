//! A program from its configuration to its exit code.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::gauges::{self, Gauges};
use super::http::{self, bounds::raise_descriptors};
use super::lifecycle::{ComponentDied, Components, Stop, stop_on_signals};
use super::opening::{Opening, Progress, Started};
use super::start::{self, StartError};
use super::telemetry::{self, Figures};
use super::{count_folder, time_keeper};
use crate::broker::SharedBroker;
use crate::clock::{FollowingClock, SharedClock};
use crate::config::{Config, Program, from_environment, look_alikes};
use crate::random::Random;
use crate::store::{Plans, Store, StoreOptions};

/// The longest time that a start of which all servers answer holds up the program: tables may take minutes to be
/// brought up to date.
const LONGEST_OPENING: Duration = Duration::from_secs(30);

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
        tracing::warn!("{name} is set, and no program reads it: did you mean {ours}?");
    }
    for warning in config.plain_text_warnings() {
        tracing::warn!("{warning}");
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
    /// Whether database and broker are there.
    pub started: Started,
    /// Requested by a signal, or when a component ends too early.
    pub stop: Stop,
    components: Components,
}

impl Process {
    /// Handles the stop signals, and opens store and broker. Returns once all is there, or as soon as a server is
    /// found to be away: then the process waits for the server in the background. `Err`: waiting does not mend it.
    pub async fn start(config: &Config, program: Program) -> Result<Self, Failed> {
        // Before anything counts.
        Figures::install();
        let stop = Stop::new();
        stop_on_signals(stop.clone())?;
        raise_descriptors();
        let plans = match program {
            Program::Worker => Plans::Fresh,
            Program::Api | Program::TaskCenter => Plans::Kept,
        };
        let options = StoreOptions {
            connections: config.database_max_connections,
            plans,
            pooler: config.database_pooler,
        };
        let store = Store::at(&config.database_url, options);
        let store = store.map_err(StartError::Database)?;
        let random = Arc::new(Random::from_system());
        let broker = start::broker(config, program, random.clone())?;
        let mut process = Self::new(store, broker, random, stop);
        let (progress, watched) = watch::channel(Progress::UnderWay);
        process.started = Started::new(watched.clone(), process.stop.clone());
        tracing::info!(database = ?config.database_url, "bringing the database's tables up to date");
        let opening = Opening {
            store: process.store.clone(),
            broker: process.broker.clone(),
            clock: process.following.clone(),
            suno: config.suno.clone(),
            needs_broker: program != Program::Api,
            progress,
        };
        process.open(opening, watched).await?;
        Ok(process)
    }

    /// Waits for the opening until it is done or a server is away, and leaves the rest of it to a component.
    async fn open(
        &mut self,
        opening: Opening,
        mut progress: watch::Receiver<Progress>,
    ) -> Result<(), Failed> {
        let mut opening = tokio::spawn(opening.run());
        tokio::select! {
            opened = &mut opening => return Ok(opened??),
            Ok(_) = progress.wait_for(|progress| *progress == Progress::Waiting) => {}
            () = sleep(LONGEST_OPENING) => {}
            () = self.stop.requested() => {}
        }
        let stop = self.stop.clone();
        self.spawn("start", async move {
            tokio::select! {
                opened = &mut opening => opened.map_err(Failed::from)??,
                () = stop.requested() => opening.abort(),
            }
            stop.requested().await;
            Ok::<_, Failed>(())
        });
        Ok(())
    }

    /// A process on an open store and an open broker.
    pub fn new(store: Store, broker: SharedBroker, random: Arc<Random>, stop: Stop) -> Self {
        let clock = Arc::new(FollowingClock::default());
        let figures = Figures::install();
        figures.describe(gauges::FIGURES);
        gauges::show_build();
        figures.describe(http::FIGURES);
        figures.describe(time_keeper::FIGURES);
        // Without a sender the value stays.
        let (_, all_is_there) = watch::channel(Progress::Done);
        Self {
            store,
            broker,
            clock: clock.clone(),
            following: clock,
            random,
            figures,
            started: Started::new(all_is_there, stop.clone()),
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

    /// Adds a component that begins once database and broker are there.
    pub fn spawn_later<E: Display>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (started, stop) = (self.started.clone(), self.stop.clone());
        self.spawn(name, async move {
            if started.wait().await {
                return work.await;
            }
            // The start failed, and says why itself.
            stop.requested().await;
            Ok(())
        });
    }

    /// Runs the components and the gauges, and, once all servers are there, the count folder and the time keeper; see
    /// [`Components::run`].
    pub async fn run(&mut self, grace: Duration) -> Result<(), ComponentDied> {
        let gauges = Gauges {
            store: self.store.clone(),
            broker: self.broker.clone(),
            clock: self.clock.clone(),
        };
        self.spawn("gauges", gauges.run(self.stop.clone()));
        let folder = count_folder::run(self.store.clone(), self.random.clone(), self.stop.clone());
        self.spawn_later("count folder", folder);
        let (clock, store) = (self.following.clone(), self.store.clone());
        self.spawn_later(
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
