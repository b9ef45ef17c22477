//! `task-center`: the API and a worker in one process. It needs no other service.
//!
//! | file | what it does |
//! |---|---|
//! | `serve` | starts and runs the server |
//! | `first_start` | creates the first users of a new database |
//! | `builtin` | starts a simulated upstream while there is no channel |
//! | `center` | the API and a worker as one process |
//! | `demo` | shows submits, results and refunds on a temporary database |

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
    command: Option<CenterCommand>,
}

#[derive(Subcommand)]
enum CenterCommand {
    /// Watch six tasks from submit to result, on a temporary database
    Demo,
    /// Serve until stopped (the default)
    Serve {
        /// Start a simulated upstream and make the user `demo`, also on an address that others reach
        #[arg(long)]
        simulator: bool,
    },
    #[command(flatten)]
    Operator(cli::OperatorCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    match command {
        Some(CenterCommand::Demo) => demo::run().await,
        None => serve(false).await,
        Some(CenterCommand::Serve { simulator }) => serve(simulator).await,
        Some(CenterCommand::Operator(command)) => {
            cli::run(Program::TaskCenter, command, flags).await
        }
    }
}

async fn serve(simulator: bool) -> ExitCode {
    let serve = async |config| serve::serve(config, simulator).await;
    process::main(Program::TaskCenter, serve).await
}
