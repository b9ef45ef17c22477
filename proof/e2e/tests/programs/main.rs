//! The programs as a person or a script starts them.
//!
//! | file | what happens |
//! |---|---|
//! | `start` | what is printed, what must be configured, what is not there |
//! | `first_start` | `task-center` with nothing configured |
//! | `commands` | the command line: exit codes, and what `--json` prints |
//! | `https` | TLS |
//! | `alerts` | the alerts of `deploy/prometheus` |
//! | `signals` | SIGTERM, SIGINT, SIGHUP |
//! | `floods` | connections that send nothing |
//! | `limits` | clients that send too much |

mod alerts;
mod commands;
mod first_start;
mod floods;
mod https;
mod limits;
mod signals;
mod start;

use std::process::ExitCode;
use std::time::Duration;

use harness::client::http;
use harness::wait::eventually;

/// How long a test may take.
const LIMIT: Duration = Duration::from_mins(2);
/// How long a program may take for what it does at once.
const SOON: Duration = Duration::from_secs(30);

/// Waits until something is so, which `what` names.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(SOON, what, async || is_so().await.then_some(())).await;
}

/// The status of an answer, on a connection of its own; `None` if there is none.
async fn status(url: &str, path: &str) -> Option<u16> {
    let request = http().get(format!("{url}/{path}"));
    let answer = request.header("connection", "close").send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

fn main() -> ExitCode {
    let tests = [
        start::tests(),
        first_start::tests(),
        commands::tests(),
        https::tests(),
        alerts::tests(),
        signals::tests(),
        floods::tests(),
        limits::tests(),
    ];
    harness::suite::run(tests.into_iter().flatten().collect())
}
