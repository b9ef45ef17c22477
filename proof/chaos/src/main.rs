//! `chaos`: injects faults on servers of its own, and reports whether money and tasks stayed exact.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chaos::report::Report;
use chaos::run::Scenario;
use chaos::scenario;
use clap::Parser;
use harness::servers::Servers;

/// Injects faults into real API, worker and upstream processes, on a PostgreSQL and a RabbitMQ of its
/// own, and reports whether money and tasks stayed exact. Build the programs first:
/// cargo build --workspace --bins
#[derive(Debug, Parser)]
#[command(name = "chaos", version)]
struct Options {
    /// Run this scenario only; may be given more than once
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// The seed of all random choices: the same seed means the same load and the same faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a scenario without a fixed length goes on: 90s, 30m, 2h
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// Write the report to this file, too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the names of the scenarios, and what happens in them
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let chosen = match choose(&options.scenarios) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            eprintln!("chaos: there is no scenario {unknown:?}; --list prints their names");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for scenario in chosen {
            // The reader may close the pipe early.
            let _ = writeln!(io::stdout(), "{}\n    {}", scenario.name, scenario.about);
        }
        return ExitCode::SUCCESS;
    }
    let servers = Arc::new(Servers::start().await);
    let mut outcomes = Vec::new();
    for scenario in chosen {
        let lasts = options.duration.or(scenario.lasts).unwrap_or_default();
        let name = scenario.name;
        eprintln!("{name} (seed {}) …", options.seed);
        let outcome = scenario.run(&servers, options.seed, lasts).await;
        let verdict = if outcome.passed() { "passed" } else { "FAILED" };
        eprintln!("{name}: {verdict} after {:.1} s", outcome.seconds);
        if !outcome.passed() {
            eprintln!("{}\n{}", outcome.violations.join("\n"), outcome.logs);
        }
        outcomes.push(outcome);
    }
    servers.take_down().await;
    let report = Report::of(outcomes);
    println!("{report}");
    if let Some(file) = options.json {
        let json = serde_json::to_string_pretty(&report).unwrap_or_default();
        if let Err(error) = std::fs::write(&file, json) {
            eprintln!("chaos: {} cannot be written: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    if report.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The scenarios with these names, in the order in which they run; all scenarios without a name. An
/// unknown name is the error.
fn choose(names: &[String]) -> Result<Vec<Scenario>, String> {
    let mut all = scenario::all();
    let is_unknown = |name: &&String| all.iter().all(|one| one.name != **name);
    if let Some(unknown) = names.iter().find(is_unknown) {
        return Err(unknown.clone());
    }
    all.retain(|one| names.is_empty() || names.iter().any(|name| name == one.name));
    Ok(all)
}

/// `90s`, `30m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration; write 90s, 30m or 2h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    match unit {
        's' => Ok(Duration::from_secs(number)),
        'm' => Ok(Duration::from_mins(number)),
        'h' => Ok(Duration::from_hours(number)),
        _ => Err(wrong()),
    }
}
