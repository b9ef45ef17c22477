//! `with-servers`: runs a command beside a private `PostgreSQL` and `RabbitMQ`.

mod command;
mod given;

use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use futures_util::future::OptionFuture;
use harness::database::Database;
use harness::folder::Folder;
use harness::servers::postgres::{self, Postgres};
use harness::servers::rabbitmq::{self, RabbitMq};
use harness::servers::server::Server;
use harness::suite::caught;

use command::Signals;

const HELP: &str = "\
usage: scripts/with-servers COMMAND [ARGUMENT…]

Starts a private PostgreSQL and a private RabbitMQ (with its management UI) on free
ports of 127.0.0.1, in a throw-away folder, runs COMMAND with these variables set, and
stops and deletes everything when COMMAND ends, however it ends:

  DATABASE_URL              postgres://postgres@127.0.0.1:<port>/task_center
  AMQP_URL                  amqp://guest:guest@127.0.0.1:<port>/%2f
  RABBITMQ_MANAGEMENT_URL   http://guest:guest@127.0.0.1:<port>

Set DATABASE_URL or AMQP_URL yourself, and that server is used instead of a private one.
On Debian, server programs that are missing are installed (as root, or with sudo).
The exit code is COMMAND's. What with-servers itself says goes to stderr.

  scripts/with-servers cargo test --workspace --test store_contract
  scripts/with-servers bash                      a shell, to try things by hand
";

/// Commits need not survive a crash of the machine.
const POSTGRES: &[&str] = &["fsync=off"];

/// The servers that we started.
#[derive(Default)]
struct Servers {
    postgres: Option<Server<Postgres>>,
    rabbitmq: Option<Server<RabbitMq>>,
}

// One thread: the servers die with the thread that starts them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command: Vec<String> = std::env::args().skip(1).collect();
    match command.first().map(String::as_str) {
        Some("-h" | "--help") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(program) if !program.starts_with('-') => {}
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    }
    // The harness panics where something fails; the message is printed below.
    std::panic::set_hook(Box::new(|_| {}));
    let ended = caught(Box::pin(run(&command)))
        .await
        .and_then(|ended| ended);
    ended.unwrap_or_else(|why| {
        say(&why);
        ExitCode::FAILURE
    })
}

fn say(text: &str) {
    eprintln!("with-servers: {text}");
}

async fn run(command: &[String]) -> Result<ExitCode, String> {
    let postgres = given::postgres().await?;
    let rabbitmq = given::rabbitmq().await?;
    if postgres && rabbitmq {
        let failed = std::process::Command::new(&command[0])
            .args(&command[1..])
            .exec();
        return Err(format!("{}: {failed}", command[0]));
    }
    let mut signals = Signals::new().map_err(|error| error.to_string())?;
    let folder = harness::servers::folder();
    let mut servers = tokio::select! {
        servers = Servers::start(&folder, !postgres, !rabbitmq) => servers,
        signal = signals.next() => return Ok(command::ended_by(signal)),
    };
    let env = servers.env();
    let ended = command::run(command, &env, &mut signals).await;
    if ended != Ok(ExitCode::SUCCESS) {
        servers.tell_crashes();
    }
    servers.stop().await;
    ended
}

impl Servers {
    async fn start(folder: &Folder, needs_postgres: bool, needs_rabbitmq: bool) -> Self {
        let postgres = needs_postgres.then_some(async {
            let server = postgres::start(folder.path(), POSTGRES).await;
            let options = server.options("postgres");
            let database = Database::named(&options, "task_center".to_owned()).await;
            let version = sqlx::query_scalar::<_, String>("SHOW server_version");
            let version = version.fetch_one(&mut database.connect().await).await;
            let version = version.unwrap_or_default();
            say(&format!("PostgreSQL {version} on {}", server.address()));
            server
        });
        let rabbitmq = needs_rabbitmq.then_some(async {
            let server = rabbitmq::start(folder.path()).await;
            let overview = server.overview().await.unwrap_or_default();
            let version = overview["rabbitmq_version"].as_str().unwrap_or_default();
            say(&format!(
                "RabbitMQ {version} on {}, its UI on {}",
                server.address(),
                server.management()
            ));
            server
        });
        let (postgres, rabbitmq) =
            tokio::join!(OptionFuture::from(postgres), OptionFuture::from(rabbitmq));
        Self { postgres, rabbitmq }
    }

    /// What the command finds them by.
    fn env(&self) -> Vec<(&'static str, String)> {
        let mut env = Vec::new();
        if let Some(server) = &self.postgres {
            env.push(("DATABASE_URL", server.url("task_center")));
        }
        if let Some(server) = &self.rabbitmq {
            env.push(("AMQP_URL", server.url()));
            let management = server.management().to_string();
            let management = management.trim_end_matches('/').to_owned();
            env.push(("RABBITMQ_MANAGEMENT_URL", management));
        }
        env
    }

    /// Says which server ended before the command did.
    fn tell_crashes(&mut self) {
        let postgres = self.postgres.as_mut().and_then(Server::crashed);
        let rabbitmq = self.rabbitmq.as_mut().and_then(Server::crashed);
        for (name, log) in [("PostgreSQL", postgres), ("RabbitMQ", rabbitmq)] {
            if let Some(log) = log {
                say(&format!(
                    "{name} ended by itself; the end of its log:\n{log}"
                ));
            }
        }
    }

    async fn stop(&mut self) {
        if let Some(server) = &mut self.rabbitmq {
            server.kill().await;
        }
        if let Some(server) = &mut self.postgres {
            server.discard().await;
        }
    }
}
