//! The programs as a person or a script starts them.
//!
//! | file | what happens |
//! |---|---|
//! | `start` | what is printed, what must be configured, what is not there |
//! | `first_start` | `task-center` with nothing configured |
//! | `commands` | the command line: exit codes, and what `--json` prints |
//! | `https` | TLS |
//! | `alerts` | the alerts of `deploy/prometheus` |

mod alerts;
mod commands;
mod first_start;
mod https;
mod start;

use std::process::ExitCode;
use std::time::Duration;

/// How long a test may take.
const LIMIT: Duration = Duration::from_mins(2);

fn main() -> ExitCode {
    let tests = [
        start::tests(),
        first_start::tests(),
        commands::tests(),
        https::tests(),
        alerts::tests(),
    ];
    harness::suite::run(tests.into_iter().flatten().collect())
}
