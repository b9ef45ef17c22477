//! A short run of every scenario that breaks the servers, one after the other.

use std::process::ExitCode;

fn main() -> ExitCode {
    chaos::short_runs::run(true)
}
