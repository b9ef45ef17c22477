//! `pgbench`, as it comes with the server.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::script::Script;
use crate::site::Site;
use harness::spread::percentile;

/// What it reached.
#[derive(Debug)]
pub struct Reached {
    /// Transactions, which here are whole submits, a second.
    pub a_second: f64,
    /// How many it made.
    pub made: f64,
    /// What half of them, and all but one of a hundred, did not take longer than, in milliseconds.
    pub p50: f64,
    /// The same.
    pub p99: f64,
}

/// Runs the script with so many clients, each on a connection of its own. Panics if a statement fails.
pub async fn run(site: &Site, script: &Script, clients: usize, lasts: Duration) -> Reached {
    let folder = site.folder.path().join("pgbench");
    std::fs::create_dir_all(&folder).expect("the folder takes a folder");
    let file = folder.join("submit.sql");
    std::fs::write(&file, &script.text).expect("the folder takes a file");
    let program = {
        let postgres = site.servers.postgres.lock().await;
        postgres.program("pgbench")
    };
    let mut command = Command::new(program);
    command
        .current_dir(&folder)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", lasts.as_secs()))
        // The time of each tenth one.
        .args(["--log", "--log-prefix=times", "--sampling-rate=0.1"])
        .arg("--file=submit.sql")
        .env("LC_ALL", "C.UTF-8");
    for (name, value) in &script.variables {
        command.arg(format!("--define={name}={value}"));
    }
    let done = command.arg(&site.database_url).output().await;
    let done = done.expect("pgbench starts");
    let (said, complaints) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{complaints}\n{}", script.text);
    assert!(!complaints.contains("aborted"), "{complaints}");
    let number = |after: &str| -> f64 {
        let rest = said.split_once(after).map_or("", |(_, rest)| rest);
        let word = rest.split_whitespace().next().unwrap_or_default();
        let number = word.split('/').next().unwrap_or_default().parse();
        number.unwrap_or_else(|_| panic!("pgbench said nothing of {after:?}: {said}"))
    };
    let mut times = times(&folder);
    times.sort_by(f64::total_cmp);
    Reached {
        a_second: number("tps = "),
        made: number("actually processed: "),
        p50: percentile(&times, 0.5),
        p99: percentile(&times, 0.99),
    }
}

/// Takes the logs away; they say in their third column what a transaction took, in microseconds.
fn times(folder: &Path) -> Vec<f64> {
    let mut times = Vec::new();
    for file in std::fs::read_dir(folder).expect("it is ours").flatten() {
        if !file.file_name().to_string_lossy().starts_with("times") {
            continue;
        }
        let lines = std::fs::read_to_string(file.path()).expect("it is ours");
        let third = |line: &str| line.split(' ').nth(2)?.parse::<f64>().ok();
        times.extend(lines.lines().filter_map(third).map(|micros| micros / 1e3));
        std::fs::remove_file(file.path()).expect("it is ours");
    }
    times
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
