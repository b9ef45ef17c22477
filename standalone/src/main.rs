//! `task-center`: everything in one process, with nothing to install.
//!
//! | file | what it does |
//! |---|---|
//! | `serve` | the start of a server |
//! | `first_start` | the users that a new database gets |
//! | `builtin` | the simulator that is the channel while there is no other |
//! | `center` | both sides in one process |
//! | `demo` | the main job before your eyes |

mod builtin;
mod center;
mod demo;
mod first_start;
mod serve;

use std::process::ExitCode;

use api::cli::{self, Flags};
use clap::{Parser, Subcommand};
use shared::config::Program;
use shared::process;

/// The command line of `task-center`.
#[derive(Parser)]
#[command(
    name = "task-center",
    version,
    about = "A task center for AI music, all of it in one process",
    after_help = "Nothing needs to be configured. Everything that can be is listed in .env.example."
)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// See the main job done, on a throw-away database
    Demo,
    #[command(flatten)]
    Shared(cli::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    match command {
        Some(Command::Demo) => demo::run().await,
        None | Some(Command::Shared(cli::Command::Serve)) => {
            process::main(Program::TaskCenter, serve::serve).await
        }
        Some(Command::Shared(cli::Command::Operator(command))) => {
            cli::execute(Program::TaskCenter, command, flags).await
        }
    }
}
