//! `task-center serve`: the start of a server.

use std::process::ExitCode;
use std::sync::Arc;

use api::cli::fail;
use shared::clock::{Clock as _, SystemClock};
use shared::config::{Config, Program};
use shared::process::lifecycle::{Stop, stop_on_signals};
use shared::process::start::{announce, open_broker, open_store, put_environment_channel};
use shared::process::telemetry::{self, Figures};
use shared::random::Random;
use shared::store::Plans;
use worker::Settings;

use crate::builtin;
use crate::center::{Center, Failed, Ground, Setup};
use crate::first_start;

/// Serves until stopped.
pub async fn run() -> ExitCode {
    let config = match Config::from_environment(Program::TaskCenter) {
        Ok(config) => config,
        Err(mistakes) => return fail(&mistakes),
    };
    telemetry::init(&config.log);
    match serve(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn serve(config: &Config) -> Result<(), Failed> {
    let stop = Stop::new();
    stop_on_signals(stop.clone())?;
    let random = Arc::new(Random::from_system());
    let store = open_store(
        &config.database_url,
        config.database_max_connections,
        Plans::Kept,
    )
    .await?;
    if let Some(suno) = &config.suno {
        put_environment_channel(&store, suno, SystemClock.now()).await?;
    }
    let ground = Ground {
        broker: open_broker(config, "task-center", random.clone()).await?,
        store: store.clone(),
        clock: Arc::new(SystemClock),
        random: random.clone(),
        figures: Figures::install(),
    };
    let simulator = builtin::start_if_needed(&store, SystemClock.now()).await?;
    let setup = Setup {
        server: api::start::bind(config).await?,
        cors: config.cors.clone(),
        task_timeout: config.task_timeout,
        worker: Settings::of(config),
    };
    // Last, when nothing else can fail: their secrets are shown once, and this must come to it.
    let newcomers = first_start::make_users(&store, &random, SystemClock.now()).await?;
    let center = Center::start(ground, setup, stop)?;
    announce(&center.url);
    if let Some(newcomers) = newcomers {
        newcomers.introduce(&center.url);
    }
    if let Some(simulator) = &simulator {
        builtin::introduce(simulator);
    }
    let ended = center.run().await;
    if let Some(simulator) = simulator {
        simulator.shutdown().await;
    }
    Ok(ended?)
}
