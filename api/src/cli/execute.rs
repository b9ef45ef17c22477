//! A command from the configuration to the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use shared::broker::BrokerError;
use shared::broker::rabbitmq::{Parking, RabbitMqOptions};
use shared::clock::SystemClock;
use shared::config::{BrokerConfig, CommandConfig, Program};
use shared::process::start::{self, StartError};
use shared::process::{fail, telemetry};
use shared::random::Random;
use shared::store::Plans;

use super::{Desk, Flags, OperatorCommand, Refusal, StoreCommand, parked};

/// A command needs one connection; a second one for what the Store does beside it.
const CONNECTIONS: u32 = 2;

/// Does `command` on the database, or the broker, that the environment names. Prints the answer on stdout, or the
/// reason why not on stderr with exit code 1.
pub async fn execute(program: Program, command: OperatorCommand, flags: Flags) -> ExitCode {
    let done = match command {
        OperatorCommand::Store(command) => on_configured_store(program, command, flags).await,
        OperatorCommand::Parked(command) => on_configured_broker(program, command, flags).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => fail(&refusal),
    }
}

/// Does `command` at `desk` and prints its answer on `out`.
pub async fn run(
    command: StoreCommand,
    desk: Desk<'_>,
    flags: Flags,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let answer = command.answer(desk).await?;
    answer.print(flags.json, out)
}

async fn on_configured_store(
    program: Program,
    command: StoreCommand,
    flags: Flags,
) -> Result<(), Refusal> {
    let config = CommandConfig::from_environment(program)
        .map_err(|mistakes| Refusal::new(mistakes.to_string()))?;
    telemetry::init(&config.log);
    let store = start::open_store(&config.database_url, CONNECTIONS, Plans::Kept).await?;
    let desk = Desk {
        store: &store,
        clock: &SystemClock,
        random: &Random::from_system(),
    };
    let answer = command.answer(desk).await;
    // Whatever it says, it is done: what was written is closed before it is told.
    store.close().await;
    answer?.print(flags.json, &mut io::stdout().lock())
}

async fn on_configured_broker(
    program: Program,
    command: parked::Command,
    flags: Flags,
) -> Result<(), Refusal> {
    let config = BrokerConfig::from_environment(program)
        .map_err(|mistakes| Refusal::new(mistakes.to_string()))?;
    telemetry::init(&config.log);
    let Some(url) = config.amqp_url else {
        return Err(Refusal::new(
            "AMQP_URL is not set: the queues are inside the process that serves, and what is parked \
             there goes with it; it only shows in its figures. The sweep finds the tasks. Set \
             AMQP_URL to look into the parking queue of a RabbitMQ",
        ));
    };
    let parking = Parking::open(RabbitMqOptions {
        url: url.secret().clone(),
        prefix: config.queue_prefix,
        program: program.name(),
        random: Arc::new(Random::from_system()),
    })
    .await?;
    let answer = command.answer(&parking).await;
    // What is held of a look that failed goes back with the connection.
    parking.close().await;
    answer?.print(flags.json, &mut io::stdout().lock())
}

impl From<BrokerError> for Refusal {
    fn from(error: BrokerError) -> Self {
        Self::new(format!("AMQP_URL: {error}"))
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self::new(error.to_string())
    }
}
