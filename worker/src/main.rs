//! `worker`: the queue side. Any number of workers can run at the same time.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use shared::config::{Config, Program};
use shared::process::start::announce;
use shared::process::{self, Failed, Process};
use worker::rest::Rest;
use worker::{Settings, health, run};

/// The command line of `worker`, which has no arguments.
#[derive(Parser)]
#[command(version, about = ABOUT)]
struct Cli {}

const ABOUT: &str = "\
The queue side of the task center: submits tasks to upstreams and polls them.

Any number of workers can run, each with its own WORKER_BIND. A worker takes no arguments. It is
configured by the environment, see .env.example; DATABASE_URL and AMQP_URL are required. On SIGTERM
it finishes the calls under way and exits.";

#[tokio::main]
async fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    process::main(Program::Worker, work).await
}

/// Works until a signal, or until a component ends too early.
async fn work(config: Config) -> Result<(), Failed> {
    let mut process = Process::start(&config, Program::Worker).await?;
    let server = health::bind(&config).await?;
    let url = server.url();
    let settings = Settings::of(&config);
    let rest = Arc::<Rest>::default();
    health::spawn(&mut process, server, rest.clone());
    // While a server is away, `/readyz` says so.
    let later = process.started.is_done().then(|| url.clone());
    if later.is_none() {
        announce(&url);
    }
    let grace = run::grace(&settings);
    run::spawn(&mut process, settings, rest, move || {
        if let Some(url) = later {
            announce(&url);
        }
    })?;
    let ended = process.run(grace).await;
    process.close().await;
    Ok(ended?)
}
