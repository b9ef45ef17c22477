//! A command from the configuration to the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use shared::clock::SystemClock;
use shared::config::{CommandConfig, Program};
use shared::random::Random;
use shared::start::{self, StartError};
use shared::telemetry;

use super::{Desk, Flags, OperatorCommand, Refusal};

/// A command needs one connection; a second one for what the Store does beside it.
const CONNECTIONS: u32 = 2;

/// Does `command` on the database that the environment names. Prints the answer on stdout, or the
/// reason why not on stderr with exit code 1.
pub async fn execute(program: Program, command: OperatorCommand, flags: Flags) -> ExitCode {
    match on_configured_store(program, command, flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => fail(&refusal),
    }
}

/// The reason on stderr, and exit code 1.
pub fn fail(reason: &impl std::fmt::Display) -> ExitCode {
    // A stderr that is gone is no reason to panic.
    let _ = writeln!(io::stderr(), "error: {reason}");
    ExitCode::FAILURE
}

/// Does `command` at `desk` and prints its answer on `out`.
pub async fn run(
    command: OperatorCommand,
    desk: Desk<'_>,
    flags: Flags,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let answer = command.answer(desk).await?;
    answer.print(flags.json, out)
}

async fn on_configured_store(
    program: Program,
    command: OperatorCommand,
    flags: Flags,
) -> Result<(), Refusal> {
    let config = CommandConfig::from_environment(program)
        .map_err(|mistakes| Refusal::new(mistakes.to_string()))?;
    telemetry::init(&config.log);
    let store = start::open_store(&config.database_url, CONNECTIONS).await?;
    let desk = Desk {
        store: store.as_ref(),
        clock: &SystemClock,
        random: &Random::from_system(),
    };
    let answer = command.answer(desk).await;
    // Whatever it says, it is done: what was written is closed before it is told.
    store.close().await;
    answer?.print(flags.json, &mut io::stdout().lock())
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self::new(error.to_string())
    }
}
