//! A short run of every scenario that measures how long something takes. `run-tests` runs these last, and nothing
//! beside them.

use std::process::ExitCode;

use chaos::run::Beside;

fn main() -> ExitCode {
    chaos::short_runs::run(Beside::Nothing)
}
