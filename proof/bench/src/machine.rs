//! The machine that a run was measured on.

use std::fmt;
use std::process::Command;

use serde::Serialize;
use shared::clock::{Clock as _, SystemClock};

/// A machine, and the moment and version of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's model name.
    pub processor: String,
    /// How many cores the bench may use.
    pub cores: usize,
    /// Memory, GiB.
    pub memory_gib: f64,
    /// The kernel's version.
    pub kernel: String,
    /// The profile of our programs: `release` or `debug`.
    pub profile: &'static str,
    /// The commit of the source folder, as `git describe` names it; empty without git.
    pub commit: String,
    /// When the report was written, UTC.
    pub at: String,
}

impl Machine {
    /// This machine, now.
    pub fn here() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let kib = after(&read("/proc/meminfo"), "MemTotal");
        let kib: f64 = kib.trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            processor: after(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            commit: commit().unwrap_or_default(),
            at: SystemClock.now().utc(),
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        }
    }
}

fn commit() -> Option<String> {
    let described = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let commit = String::from_utf8(described.stdout).ok()?;
    Some(commit.trim().to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            profile,
            commit,
            at,
        } = self;
        write!(
            out,
            "{at}, commit {commit}, {profile} build; {cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}"
        )
    }
}
