//! The commands for operators (`docs/contract.md`, "Programs and commands"). `api` and
//! `task-center` have the same ones.
//!
//! | file | what it holds |
//! |---|---|
//! | [`user`], [`key`], [`key_set`], [`channel`], [`price`], [`task`], [`audit`] | the commands on that subject |
//! | [`parked`] | the commands on messages that no worker can handle |
//! | [`name`] | the rules of names and labels |
//! | [`secret`] | secrets that a command takes |
//! | [`output`] | what a command prints, for people and for machines |
//! | [`table`] | tables for people |
//! | [`error`] | why a command failed |
//! | [`run`](mod@run) | a command from the configuration to the exit code |
//!
//! A program parses [`Cli`], or its own command line with [`Command`] and [`Flags`] flattened into
//! it, and passes every command but `serve` to [`run()`]. Wrong usage exits with 2, by `clap`.

pub mod audit;
pub mod channel;
pub mod error;
pub mod key;
pub mod key_set;
pub mod name;
pub mod output;
pub mod parked;
pub mod price;
pub mod run;
pub mod secret;
pub mod table;
pub mod task;
pub mod user;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use shared::clock::Clock;
use shared::random::Random;
use shared::store::Store;
use shared::task::Platform;

pub use error::CommandError;
pub use output::Output;
pub use run::run;

/// The last line of the help: where everything else is configured.
pub const ENVIRONMENT: &str =
    "Configured by environment variables and by the file .env; .env.example lists them all.";

/// The command line of `api`.
#[derive(Debug, Parser)]
#[command(
    name = "api",
    version,
    about = "The HTTP side of the task center, and the commands for its operators",
    after_help = ENVIRONMENT
)]
pub struct Cli {
    #[allow(
        missing_docs,
        reason = "its doc comment would replace the help's first line"
    )]
    #[command(flatten)]
    pub flags: Flags,
    /// The command; [`Command::Serve`] if there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The flags of every command.
#[derive(Debug, Clone, Copy, Args)]
pub struct Flags {
    /// Print JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands that `api` and `task-center` share.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until stopped (the default)
    Serve,
    #[allow(missing_docs, reason = "a doc comment would end up in the help")]
    #[command(flatten)]
    Operator(OperatorCommand),
}

/// The commands for operators.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    #[allow(missing_docs, reason = "a doc comment would end up in the help")]
    #[command(flatten)]
    Store(StoreCommand),
    /// Messages that no worker can handle: list, requeue, drop
    #[command(subcommand)]
    Parked(parked::ParkedCommand),
}

/// The commands on the database. Each migrates it first.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Bring the database's tables up to date
    Migrate,
    /// Users: create, list, grant, set, enable, disable, rotate-token
    #[command(subcommand)]
    User(user::UserCommand),
    /// API keys: create, list, set, enable, disable
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Channels (upstreams): create, list, set, test, pause, resume, enable, disable, delete
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    /// Prices: set, list
    #[command(subcommand)]
    Price(price::PriceCommand),
    /// Tasks: show
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Prove that all charges, refunds and balances add up; exit code 1 if they don't
    Audit,
}

/// What a command on the database uses.
#[derive(Clone, Copy)]
pub struct CommandContext<'a> {
    /// The database, migrated.
    pub store: &'a Store,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Random numbers, for secrets.
    pub random: &'a Random,
}

impl StoreCommand {
    /// Runs the command.
    pub async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        match self {
            // The tables are brought up to date before every command.
            Self::Migrate => {
                let json = serde_json::json!({ "migrated": true });
                Output::new("The tables are up to date.", &json)
            }
            Self::User(command) => command.run(context).await,
            Self::Key(command) => command.run(context).await,
            Self::Channel(command) => command.run(context).await,
            Self::Price(command) => command.run(context).await,
            Self::Task(command) => command.run(context).await,
            Self::Audit => audit::run(context).await,
        }
    }
}

/// The output of a command that enabled or disabled a user or a channel.
fn switched(kind: &str, name: &str, enabled: bool) -> Result<Output, CommandError> {
    #[derive(Serialize)]
    struct State<'a> {
        name: &'a str,
        enabled: bool,
    }
    let human = format!("The {kind} `{name}` is {}.", state(enabled));
    Output::new(human, &State { name, enabled })
}

/// How people read whether a user, a key or a channel is enabled.
fn state(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// How people read a limit.
fn limit(limit: u32) -> String {
    if limit == 0 {
        "no limit".to_owned()
    } else {
        limit.to_string()
    }
}

/// Reads a platform's name; the help lists them all.
fn platform() -> impl TypedValueParser<Value = Platform> {
    PossibleValuesParser::new(Platform::known().map(Platform::as_str))
        .try_map(|text| text.parse::<Platform>())
}

#[cfg(test)]
mod tests;
