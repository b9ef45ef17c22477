//! What all of it ran on.

use std::fmt;

use serde::Serialize;

/// The machine and its servers.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name for itself.
    pub processor: String,
    /// How many cores we may use.
    pub cores: usize,
    /// Memory, GiB.
    pub memory_gib: f64,
    /// The kernel.
    pub kernel: String,
    /// How our programs were built.
    pub profile: &'static str,
}

impl Machine {
    /// This one.
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
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            profile,
        } = self;
        write!(
            out,
            "{cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}; programs built for {profile}"
        )
    }
}
