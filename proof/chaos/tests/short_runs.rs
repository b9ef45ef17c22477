//! A short run of every scenario that may run beside others.

use std::process::ExitCode;

use chaos::run::Beside;

fn main() -> ExitCode {
    chaos::short_runs::run(Beside::Anything)
}
