//! The command line for operators (contract, section 5): the same commands in `api` and in
//! `task-center`.
//!
//! | file | what it holds |
//! |---|---|
//! | [`user`], [`key`], [`channel`], [`price`], [`task`], [`audit`] | the commands on that subject |
//! | [`parked`] | messages that no worker can handle |
//! | [`name`] | what names and labels must be |
//! | [`answer`] | what a command prints, for people and for machines |
//! | [`table`] | columns for people |
//! | [`refusal`] | why a command did not do it |
//! | [`execute`](mod@execute) | a command from the configuration to the exit code |
//!
//! A program puts [`Cli`], or [`Command`] and [`Flags`] flattened into its own, before `clap`; what
//! is not `serve` goes to [`execute()`]. Wrong usage exits with 2, by `clap`.

pub mod answer;
pub mod audit;
pub mod channel;
pub mod execute;
pub mod key;
pub mod name;
pub mod parked;
pub mod price;
pub mod refusal;
pub mod table;
pub mod task;
pub mod user;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use shared::clock::Clock;
use shared::random::Random;
use shared::store::Store;
use shared::task::Platform;

pub use answer::Answer;
pub use execute::{execute, run};
pub use refusal::Refusal;

/// Where the help sends for what is not on the command line.
pub const ENVIRONMENT: &str =
    "Configured by environment variables and by the file .env; .env.example lists them all.";

/// The command line of `api`.
#[derive(Debug, Parser)]
#[command(
    name = "api",
    version,
    about = "The HTTP side of the task center, and its operators' command line",
    after_help = ENVIRONMENT
)]
pub struct Cli {
    #[allow(
        missing_docs,
        reason = "its doc comment would replace the help's first line"
    )]
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; nothing said: [`Command::Serve`].
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command understands.
#[derive(Debug, Clone, Copy, Args)]
pub struct Flags {
    /// Print JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be asked of `api` and of `task-center` alike.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until stopped (the default)
    Serve,
    #[allow(missing_docs, reason = "a doc comment would end up in the help")]
    #[command(flatten)]
    Operator(OperatorCommand),
}

/// What an operator asks.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    #[allow(missing_docs, reason = "a doc comment would end up in the help")]
    #[command(flatten)]
    Store(StoreCommand),
    /// Messages that no worker can handle: list, requeue, drop
    #[command(subcommand)]
    Parked(parked::Command),
}

/// What an operator asks of the database. Each command brings the tables up to date first.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Bring the database's tables up to date
    Migrate,
    /// Users: create, list, grant, enable, disable, rotate-token
    #[command(subcommand)]
    User(user::Command),
    /// API keys: create, list, enable, disable
    #[command(subcommand)]
    Key(key::Command),
    /// Channels (upstreams): create, list, enable, disable
    #[command(subcommand)]
    Channel(channel::Command),
    /// Prices: set, list
    #[command(subcommand)]
    Price(price::Command),
    /// Tasks: show
    #[command(subcommand)]
    Task(task::Command),
    /// Prove that the books balance; exit code 1 if they don't
    Audit,
}

/// What commands work with. Time and chance are given.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The database, its tables up to date.
    pub store: &'a Store,
    /// The time, for what is made now.
    pub clock: &'a dyn Clock,
    /// Chance, for secrets: seeded by the operating system but in tests.
    pub random: &'a Random,
}

impl StoreCommand {
    /// Does it.
    pub async fn answer(self, desk: Desk<'_>) -> Result<Answer, Refusal> {
        match self {
            Self::Migrate => migrated(),
            Self::User(command) => command.answer(desk).await,
            Self::Key(command) => command.answer(desk).await,
            Self::Channel(command) => command.answer(desk).await,
            Self::Price(command) => command.answer(desk).await,
            Self::Task(command) => command.answer(desk).await,
            Self::Audit => audit::answer(desk).await,
        }
    }
}

/// The tables are up to date before any command begins: there is nothing left to do.
fn migrated() -> Result<Answer, Refusal> {
    #[derive(serde::Serialize)]
    struct Migrated {
        migrated: bool,
    }
    Answer::new("The tables are up to date.", &Migrated { migrated: true })
}

/// What a list says of something that can be enabled.
fn state(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// Reads a platform's name; the help lists them all.
fn platform() -> impl TypedValueParser<Value = Platform> {
    PossibleValuesParser::new(Platform::known().map(Platform::as_str))
        .try_map(|text| text.parse::<Platform>())
}

#[cfg(test)]
mod tests;
