//! The program `worker`: the queue side. Any number of them may run.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use shared::clock::{Clock as _, SystemClock};
use shared::config::{Config, Program};
use shared::process::count_folder;
use shared::process::gauges::{self, Gauges};
use shared::process::lifecycle::{Components, Stop, stop_on_signals};
use shared::process::start::{announce, open_broker, open_store, put_environment_channel};
use shared::process::telemetry::{self, Figures};
use shared::random::Random;
use shared::store::Plans;
use worker::health::{self, Health};
use worker::{Settings, Worker};

/// The command line of `worker`, which has no arguments.
#[derive(Parser)]
#[command(version, about = ABOUT)]
struct Cli {}

const ABOUT: &str = "\
The queue side of the task center: submits tasks to upstreams and polls them.

Start as many as you like, each with a WORKER_BIND of its own. A worker takes no arguments: all is
configured by the environment, see .env.example; DATABASE_URL and AMQP_URL are required. It stops on
SIGTERM, once what is under way is finished.";

#[tokio::main]
async fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    let config = match Config::from_environment(Program::Worker) {
        Ok(config) => config,
        Err(mistakes) => {
            // Nobody may be reading stderr.
            let _ = writeln!(io::stderr(), "error: {mistakes}");
            return ExitCode::FAILURE;
        }
    };
    telemetry::init(&config.log);
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the worker stops");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let figures = Figures::install();
    figures.describe(gauges::FIGURES);
    figures.describe(worker::FIGURES);
    let stop = Stop::new();
    stop_on_signals(stop.clone())?;
    let random = Arc::new(Random::from_system());
    let store = open_store(
        &config.database_url,
        config.database_max_connections,
        Plans::Fresh,
    )
    .await?;
    if let Some(suno) = &config.suno {
        put_environment_channel(&store, suno, SystemClock.now()).await?;
    }
    let broker = open_broker(&config, "worker", random.clone()).await?;
    let listener = health::bind(config.worker_bind).await?;
    let address = listener.local_addr()?;
    let settings = Settings::of(&config);
    let clock = Arc::new(SystemClock);
    let worker = Worker::new(
        store.clone(),
        broker.clone(),
        clock,
        random.clone(),
        settings,
        stop.clone(),
    )?;
    let mut components = Components::new();
    components.spawn(
        "worker",
        worker.run(move || announce(&format!("http://{address}"))),
    );
    let health = Health {
        store: store.clone(),
        broker: broker.clone(),
        figures,
    };
    components.spawn(
        "health server",
        health::serve(health, listener, stop.clone()),
    );
    let gauges = Gauges {
        store: store.clone(),
        broker: broker.clone(),
        clock: Arc::new(SystemClock),
    };
    components.spawn("gauges", gauges.run(stop.clone()));
    components.spawn(
        "fold",
        count_folder::run(store.clone(), random, stop.clone()),
    );
    let ended = components.run(stop, worker::run::grace(settings)).await;
    broker.close().await;
    store.close().await;
    Ok(ended?)
}
