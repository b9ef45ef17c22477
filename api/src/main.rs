//! `api`: the HTTP side, on Postgres and `RabbitMQ`, and the commands for operators.

use std::process::ExitCode;

use api::cli::{self, Cli, Command};
use api::start::{self, Settings};
use clap::Parser as _;
use shared::config::{Config, Program};
use shared::process::start::announce;
use shared::process::{self, Failed, Process};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Operator(command)) => cli::run(Program::Api, command, cli.flags).await,
        Some(Command::Serve) | None => process::main(Program::Api, serve).await,
    }
}

/// Serves until a signal, or until a component ends too early.
async fn serve(config: Config) -> Result<(), Failed> {
    let mut process = Process::start(&config, Program::Api).await?;
    let server = start::bind(&config, Program::Api).await?;
    let url = server.url();
    let settings = Settings::of(&config);
    let grace = settings.grace();
    let publisher = start::spawn(&mut process, server, settings);
    announce(&url);
    let ended = process.run(grace).await;
    publisher.stop().await;
    process.close().await;
    Ok(ended?)
}
