//! A command from the configuration to the exit code.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use shared::broker::rabbitmq::{Parking, RabbitMqOptions};
use shared::clock::FollowingClock;
use shared::config::{BrokerConfig, CommandConfig, Program, from_environment};
use shared::process::start::{self, StartError};
use shared::process::{fail, telemetry, time_keeper};
use shared::random::Random;
use shared::store::{Plans, StoreOptions};

use super::parked::ParkedCommand;
use super::{CommandContext, CommandError, Flags, OperatorCommand, StoreCommand};

/// The size of a command's connection pool: one for the command, one for what the store does beside
/// it.
const CONNECTIONS: u32 = 2;

/// Runs `command` on the database or the broker that the environment names. Prints its output on
/// stdout. If it fails, prints the reason on stderr and returns exit code 1.
pub async fn run(program: Program, command: OperatorCommand, flags: Flags) -> ExitCode {
    let done = match command {
        OperatorCommand::Store(command) => on_store(program, command, flags).await,
        OperatorCommand::Parked(command) => on_broker(program, command, flags).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn on_store(
    program: Program,
    command: StoreCommand,
    flags: Flags,
) -> Result<(), CommandError> {
    let config = from_environment(program, |program, lookup| {
        CommandConfig::read(program, lookup)
    })?;
    telemetry::init(&config.log);
    let url = &config.database_url;
    let options = StoreOptions {
        connections: CONNECTIONS,
        plans: Plans::Kept,
        pooler: config.database_pooler,
    };
    let store = match command {
        StoreCommand::Migrate => start::open_store(url, options).await?,
        _ => start::open_existing_store(url, options).await?,
    };
    let clock = FollowingClock::default();
    let set = time_keeper::set(&clock, &store).await;
    set.map_err(StartError::Database)?;
    let context = CommandContext {
        store: &store,
        clock: &clock,
        random: &Random::from_system(),
    };
    let output = command.run(context).await;
    // Before the output is printed, so that what it says is durable.
    store.close().await;
    output?.print(flags.json, &mut io::stdout().lock())
}

async fn on_broker(
    program: Program,
    command: ParkedCommand,
    flags: Flags,
) -> Result<(), CommandError> {
    let config = from_environment(program, |program, lookup| {
        BrokerConfig::read(program, lookup)
    })?;
    telemetry::init(&config.log);
    let Some(url) = config.amqp_url else {
        return Err(CommandError::new(
            "AMQP_URL is not set, so the queues are in the memory of the serving process and only its \
             figures show how many messages are parked; they are lost when it ends, and the sweep finds \
             their tasks. Set AMQP_URL to see the parking queue of a RabbitMQ",
        ));
    };
    let parking = Parking::open(RabbitMqOptions {
        url: url.secret().clone(),
        prefix: config.queue_prefix,
        program: program.name(),
        random: Arc::new(Random::from_system()),
    })
    .await?;
    let output = command.run(&parking).await;
    // Closing also returns the messages that a failed command still holds.
    parking.close().await;
    output?.print(flags.json, &mut io::stdout().lock())
}
