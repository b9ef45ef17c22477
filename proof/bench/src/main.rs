//! `bench`: measures what things cost, and prints it.

use std::path::PathBuf;
use std::process::ExitCode;

use bench::figure::{Effort, Figure};
use bench::machine::Machine;
use bench::report::Report;
use clap::{Parser, ValueEnum as _};

/// Measures what a poll, a submit and a page cost, on a PostgreSQL and a RabbitMQ of its own, with
/// real API, worker and upstream processes. Build everything for release first:
/// cargo build --workspace --bins --release
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    /// What to measure; everything, if nothing is named
    #[arg(value_enum)]
    figures: Vec<Figure>,
    /// Small sizes, one round: shows that the suite works, measures nothing worth keeping
    #[arg(long)]
    short: bool,
    /// How often each comparison is made
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Write the report as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let effort = Effort {
        short: options.short,
        rounds: if options.short { 1 } else { options.rounds },
    };
    if cfg!(debug_assertions) && !effort.short {
        eprintln!("bench: these programs are built for debugging; figures need --release");
    }
    let figures = match options.figures.as_slice() {
        [] => Figure::value_variants(),
        named => named,
    };
    let mut tables = Vec::new();
    for figure in figures {
        eprintln!("{figure:?} …");
        let measured = figure.measure(effort).await;
        for table in &measured {
            eprintln!("{table}");
        }
        tables.extend(measured);
    }
    let report = Report {
        machine: Machine::here(),
        short: effort.short,
        tables,
    };
    println!("{report}");
    if let Some(file) = options.json {
        let json = serde_json::to_string_pretty(&report).unwrap_or_default();
        if let Err(error) = std::fs::write(&file, json) {
            eprintln!("bench: {} cannot be written: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
