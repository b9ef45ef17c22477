//! `api`: the HTTP side, for Postgres and `RabbitMQ`, and the command line for operators.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use api::cli::{self, Cli, Command};
use api::http::observe;
use api::http::server::Patience;
use api::{Api, SubmitPublisher, router};
use clap::Parser as _;
use shared::clock::{Clock as _, SystemClock};
use shared::config::{Config, Program};
use shared::process::count_folder;
use shared::process::gauges::{self, Gauges};
use shared::process::lifecycle::{Components, Stop, stop_on_signals};
use shared::process::start;
use shared::process::telemetry::{self, Figures};
use shared::random::Random;
use shared::store::Plans;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Operator(command)) => cli::execute(Program::Api, command, cli.flags).await,
        Some(Command::Serve) | None => match Config::from_environment(Program::Api) {
            Ok(config) => serve(config).await,
            Err(mistakes) => cli::fail(&mistakes),
        },
    }
}

async fn serve(config: Config) -> ExitCode {
    telemetry::init(&config.log);
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a signal, or until a part dies.
async fn run(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = Stop::new();
    stop_on_signals(stop.clone())?;
    let figures = Figures::install();
    figures.describe(gauges::FIGURES);
    figures.describe(&observe::FIGURES);
    let random = Arc::new(Random::from_system());
    let store = start::open_store(
        &config.database_url,
        config.database_max_connections,
        Plans::Kept,
    )
    .await?;
    if let Some(suno) = &config.suno {
        start::put_environment_channel(&store, suno, SystemClock.now()).await?;
    }
    let broker = start::open_broker(&config, "api", Arc::clone(&random)).await?;
    let server = api::start::bind(&config).await?;
    let url = server.url();
    let submit_publisher = SubmitPublisher::start(Arc::clone(&broker));
    let routes = router(Api {
        store: store.clone(),
        broker: Arc::clone(&broker),
        submit_publisher: submit_publisher.clone(),
        clock: Arc::new(SystemClock),
        random: Arc::clone(&random),
        task_timeout: config.task_timeout,
        cors: config.cors.clone(),
        figures,
    });
    let mut components = Components::new();
    let stopping = stop.clone();
    components.spawn("HTTP server", async move {
        server
            .serve(routes, async move { stopping.requested().await })
            .await
    });
    let gauges = Gauges {
        store: store.clone(),
        broker: Arc::clone(&broker),
        clock: Arc::new(SystemClock),
    };
    components.spawn("gauges", gauges.run(stop.clone()));
    components.spawn(
        "fold",
        count_folder::run(store.clone(), random, stop.clone()),
    );
    start::announce(&url);
    // Requests under way have their own grace; what is beyond that hangs.
    let grace = Patience::default().grace + Duration::from_secs(5);
    let ended = components.run(stop, grace).await;
    // In this order: nothing more is stored, so all of it can be published, then told goodbye.
    submit_publisher.stop().await;
    broker.close().await;
    store.close().await;
    Ok(ended?)
}
