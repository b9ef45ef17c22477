//! `bench`: measures the figures it is asked for and prints them.

use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use bench::figure::{self, Build, Figure, Part, Plan};
use bench::machine::Machine;
use bench::report::Report;
use clap::{Parser, ValueEnum as _};

/// Measures what a poll, a submit and a page cost, on a private PostgreSQL and RabbitMQ, with real API,
/// worker and upstream processes. Build the programs first: cargo build --workspace --bins --release
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    /// What to measure; without a name, everything
    #[arg(value_enum)]
    figures: Vec<Figure>,
    /// Small sizes and one round: shows that the suite works; its numbers mean nothing
    #[arg(long)]
    short: bool,
    /// How many rounds each comparison takes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure the programs of another build too, in turn with those beside this one, and print the ratio.
    /// FOLDER holds the other build's api and worker. Only for polls, freshness, submits, cost and scale-out
    #[arg(long, value_name = "FOLDER")]
    beside: Option<PathBuf>,
    /// Measure this part of flow or freshness only; may be given more than once
    #[arg(long = "part", value_enum, value_name = "PART")]
    parts: Vec<Part>,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the report as Markdown to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut builds = vec![Build::default()];
    // Programs are started in folders of their own.
    let beside = options
        .beside
        .map(|folder| absolute(&folder).unwrap_or(folder));
    builds.extend(beside.map(|folder| Build(Some(folder))));
    let plan = Plan {
        short: options.short,
        rounds: if options.short { 1 } else { options.rounds },
        builds,
        parts: options.parts,
    };
    if cfg!(debug_assertions) && !plan.short {
        eprintln!("bench: this is a debug build; its figures mean nothing without --release");
    }
    let figures = match options.figures.as_slice() {
        [] => Figure::value_variants(),
        named => named,
    };
    for figure in figures {
        if plan.builds.len() > 1 && !figure.compares_builds() {
            eprintln!("bench: --beside does not apply to {figure:?}; only this build is measured");
        }
    }
    let tables = figure::measure(figures, &plan).await;
    let report = Report {
        machine: Machine::here(),
        short: plan.short,
        rounds: plan.rounds,
        tables,
    };
    println!("{report}");
    let json = serde_json::to_string_pretty(&report).unwrap_or_default();
    let markdown = format!("# Bench report\n\nWritten by `bench --report`.\n\n{report}");
    let files = [(options.json, json), (options.report, markdown)];
    for (file, text) in files {
        if let Some(file) = file
            && let Err(error) = write(&file, &text)
        {
            eprintln!("bench: {} cannot be written: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(file, format!("{}\n", text.trim_end()))
}
