//! `pgbench`, as it comes with the server.

use std::path::Path;

use harness::cluster::Cluster;
use tokio::process::Command;

use super::users::{FIRST_KEY, FIRST_USER, USERS};

/// What a run of `pgbench` reached.
#[derive(Debug)]
pub struct Reached {
    /// Transactions a second. A transaction of pgbench is a whole script, here a submit.
    pub a_second: f64,
    pub transactions: f64,
    /// The times of a tenth of the transactions, ms, sorted.
    pub milliseconds: Vec<f64>,
}

/// Runs the script with this many clients, each on its own connection, for as long as `limit` says: an option
/// of pgbench. Panics if a statement fails.
pub async fn run(cluster: &Cluster, script: &str, clients: usize, limit: &str) -> Reached {
    let folder = cluster.folder.path().join("pgbench");
    std::fs::create_dir_all(&folder).expect("the folder can be created");
    std::fs::write(folder.join("submit.sql"), script).expect("the file can be written");
    let program = cluster.servers().postgres.lock().await.program("pgbench");
    let done = Command::new(program)
        .current_dir(&folder)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(limit)
        // Logs the time of every tenth transaction.
        .args(["--log", "--log-prefix=times", "--sampling-rate=0.1"])
        .arg(format!("--define=first_user={FIRST_USER}"))
        .arg(format!("--define=first_key={FIRST_KEY}"))
        .arg(format!("--define=last={}", USERS - 1))
        .arg("--file=submit.sql")
        .arg(cluster.database().url())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .await
        .expect("pgbench starts");
    let stdout = String::from_utf8_lossy(&done.stdout);
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{stderr}\n{script}");
    assert!(!stderr.contains("aborted"), "{stderr}");
    let number = |after: &str| -> f64 {
        let rest = stdout.split_once(after).map_or("", |(_, rest)| rest);
        let word = rest.split_whitespace().next().unwrap_or_default();
        let number = word.split('/').next().unwrap_or_default().parse();
        number.unwrap_or_else(|_| panic!("pgbench printed no {after:?}: {stdout}"))
    };
    let mut milliseconds = take_times(&folder);
    milliseconds.sort_by(f64::total_cmp);
    Reached {
        a_second: number("tps = "),
        transactions: number("actually processed: "),
        milliseconds,
    }
}

/// Reads and removes the logs. Their third column is the time of a transaction, µs; returns the times in ms.
fn take_times(folder: &Path) -> Vec<f64> {
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
