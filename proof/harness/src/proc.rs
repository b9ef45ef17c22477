//! The processor time and the memory of a process, from `/proc`.

use std::time::Duration;

use crate::servers::daemon::tree;

/// Processor time and memory of one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Processor time of all its threads, in user mode and in the kernel.
    pub cpu: Duration,
    /// Resident memory now, MiB.
    pub resident_mib: f64,
    /// The most resident memory so far, MiB.
    pub peak_mib: f64,
}

/// The kernel counts processor time in ticks of 10 ms, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

impl Usage {
    /// Reads the usage of a process. Panics if there is none with this id.
    pub fn of(pid: u32) -> Self {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let status = read("status");
        let mib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1));
            let kib: f64 = kib.and_then(|kib| kib.parse().ok()).unwrap_or_default();
            kib / 1024.0
        };
        Self {
            cpu: cpu(&read("stat")),
            resident_mib: mib("VmRSS:"),
            peak_mib: mib("VmHWM:"),
        }
    }

    /// The processor time of a process, of all processes below it that still run, and of those that
    /// ended: the kernel adds those to their parents.
    pub fn cpu_of_family(pid: u32) -> Duration {
        // A process may end meanwhile.
        let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        let stats = tree(pid).into_iter().filter_map(stat);
        stats.map(|stat| cpu_with_ended_children(&stat)).sum()
    }
}

/// Processor time divided by `count`, in microseconds.
pub fn micros_each(cpu: Duration, count: f64) -> f64 {
    cpu.as_secs_f64() * 1e6 / count
}

fn cpu(stat: &str) -> Duration {
    ticks(stat, 11..13)
}

fn cpu_with_ended_children(stat: &str) -> Duration {
    ticks(stat, 11..15)
}

/// The sum of some fields of `stat`, counted after the name in brackets, which may hold anything.
fn ticks(stat: &str, fields: std::ops::Range<usize>) -> Duration {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name
        .split_whitespace()
        .skip(fields.start)
        .take(fields.len());
    let ticks: u32 = fields.filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 30 20 20 0 1 0 5";
        assert_eq!(cpu(stat), Duration::from_secs(2));
        assert_eq!(cpu_with_ended_children(stat), Duration::from_millis(2_500));
    }

    #[test]
    fn we_use_some_memory() {
        assert!(Usage::of(std::process::id()).resident_mib > 0.1);
    }
}
