//! `chaos`: breaks everything that can break, on real servers of its own, and reports whether the
//! books balance after it.

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

/// Breaks everything that can break, on a PostgreSQL and a RabbitMQ of its own, with real API, worker
/// and upstream processes, and reports whether the books balance after it. Build the programs first:
/// cargo build --workspace --bins
#[derive(Debug, Parser)]
#[command(name = "chaos", version)]
struct Options {
    /// Run this scenario only; may be given more than once
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Where all chance comes from: the same seed asks for the same load and the same faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each scenario goes on that goes on for as long as one likes: 90s, 30m
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// Write the report as JSON to this file, too
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
            eprintln!("chaos: there is no scenario {unknown:?}; --list names them");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for scenario in chosen {
            // Whoever reads may have seen enough.
            let _ = writeln!(io::stdout(), "{}\n    {}", scenario.name, scenario.about);
        }
        return ExitCode::SUCCESS;
    }
    let servers = Arc::new(Servers::start().await);
    let mut outcomes = Vec::new();
    for scenario in chosen {
        let lasts = options.duration.or(scenario.lasts).unwrap_or_default();
        eprintln!("{} (seed {}) …", scenario.name, options.seed);
        let outcome = scenario.run(&servers, options.seed, lasts).await;
        let verdict = if outcome.holds() { "holds" } else { "BREAKS" };
        eprintln!(
            "{}: {verdict} after {:.1} s",
            scenario.name, outcome.seconds
        );
        if !outcome.holds() {
            eprintln!("{}\n{}", outcome.breaks.join("\n"), outcome.logs);
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
    if report.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The scenarios of these names, in the order in which they run; all of them without a name.
fn choose(names: &[String]) -> Result<Vec<Scenario>, String> {
    let all = scenario::all();
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|one| one.name != **name))
    {
        return Err(unknown.clone());
    }
    let chosen = |one: &Scenario| names.is_empty() || names.iter().any(|name| name == one.name);
    Ok(all.into_iter().filter(chosen).collect())
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
