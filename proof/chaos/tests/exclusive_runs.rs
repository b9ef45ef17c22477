//! A short run of every scenario that breaks the servers, one after the other.

use std::process::ExitCode;

use chaos::run::Beside;

fn main() -> ExitCode {
    chaos::short_runs::run(Beside::OtherServers)
}
