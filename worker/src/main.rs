//! `worker`: the queue side. Any number of workers can run at the same time.

use std::process::ExitCode;

use clap::Parser;
use shared::config::{Config, Program};
use shared::process::start::announce;
use shared::process::{self, Failed, Process};
use worker::health::{self, Health};
use worker::{Settings, run, start};

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
    process::main(Program::Worker, work).await
}

/// Works until a signal, or until a component ends too early.
async fn work(config: Config) -> Result<(), Failed> {
    let mut process = Process::start(&config, Program::Worker).await?;
    let listener = health::bind(config.worker_bind).await?;
    let address = listener.local_addr()?;
    let settings = Settings::of(&config);
    start::spawn(&mut process, settings, move || {
        announce(&format!("http://{address}"));
    })?;
    let health = Health {
        store: process.store.clone(),
        broker: process.broker.clone(),
        figures: process.figures.clone(),
    };
    let server = health::serve(health, listener, process.stop.clone());
    process.spawn("health server", server);
    let ended = process.run(run::grace(settings)).await;
    process.close().await;
    Ok(ended?)
}
