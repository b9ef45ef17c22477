//! A short run of every scenario that leaves the servers alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    chaos::short_runs::run(false)
}
