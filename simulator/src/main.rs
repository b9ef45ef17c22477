//! `suno-simulator`: the simulator as a process.

mod help;

use std::{error::Error, io::IsTerminal, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser};
use suno_simulator::Options;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A simulated upstream for songs and lyrics that speaks the dialects of several platforms over HTTP.
///
/// The simulator makes no music: its tasks go through their statuses and end, with the delays and faults that were
/// ordered: for the whole run (--faults), or for one task by directives in its title.
#[derive(Parser)]
#[command(name = "suno-simulator", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::command().after_long_help(help::reference());
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .init();
    match run(cli.options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("suno-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let bind = options.bind;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Once somebody listens for it, SIGHUP does not end the process.
    let _hangup = signal(SignalKind::hangup())?;
    let simulator = suno_simulator::start(options)
        .await
        .map_err(|error| format!("can't serve on {bind}: {error}"))?;
    println!("listening on {}", simulator.base_url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}
