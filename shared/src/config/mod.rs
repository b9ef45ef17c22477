//! The environment, read once and checked whole (contract, section 6).
//!
//! | file | what it holds |
//! |---|---|
//! | [`environment`] | the process's variables and `.env`, as one lookup |
//! | `reader` | a variable to a value, or a mistake put down beside the others |
//! | [`mistake`] | what is wrong, for the person who must mend it |
//! | `duration` | `5s`, `250ms`, `30m`, `1h` |
//! | `values` | what each variable takes, and which go together |
//! | [`database_url`], [`amqp_url`], [`base_url`], [`cors`], [`log`] | the values that have rules of their own |
//!
//! Nothing outside of this folder reads a variable, and a [`Config`] that exists is valid.

pub mod amqp_url;
pub mod base_url;
pub mod cors;
pub mod database_url;
mod duration;
pub mod environment;
pub mod log;
pub mod mistake;
mod reader;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use amqp_url::AmqpUrl;
pub use base_url::BaseUrl;
pub use cors::Cors;
pub use database_url::{DatabaseUrl, NotADatabase};
pub use log::{Log, LogFormat};
pub use mistake::{Mistake, Mistakes};

use crate::secret::Secret;
use crate::task::wait::PollPace;
use reader::Reader;

/// Which program is being configured: it decides what must be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `task-center`: everything in one process; nothing must be set.
    TaskCenter,
    /// `api`: database and broker must be set.
    Api,
    /// `worker`: database and broker must be set.
    Worker,
}

impl Program {
    /// The name of its executable.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskCenter => "task-center",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// Everything that can be configured, valid as a whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`: where the database is.
    pub database_url: DatabaseUrl,
    /// `DATABASE_MAX_CONNECTIONS`: the most connections of this process.
    pub database_max_connections: u32,
    /// `AMQP_URL`: where the broker is; `None` for queues in process (`task-center` only).
    pub amqp_url: Option<AmqpUrl>,
    /// `QUEUE_PREFIX`: the first part of every queue's and exchange's name.
    pub queue_prefix: String,
    /// `API_BIND`: where the API listens; port 0 takes a free one.
    pub api_bind: SocketAddr,
    /// `WORKER_BIND`: where the worker's health and figures are; port 0 takes a free one.
    pub worker_bind: SocketAddr,
    /// `TLS_CERT` and `TLS_KEY`: set, the API serves HTTPS itself. The files were not looked at yet.
    pub tls: Option<TlsFiles>,
    /// `CORS_ALLOWED_ORIGINS`: which other origins' pages may call the API.
    pub cors: Cors,
    /// `SUNO_BASE_URL` and `SUNO_API_KEY`: set, they are the channel `default`.
    pub suno: Option<Suno>,
    /// `POLL_INITIAL_DELAY` and `POLL_MAX_DELAY`.
    pub poll: PollPace,
    /// `TASK_TIMEOUT`: our own deadline for a task, counted from its submit.
    pub task_timeout: Duration,
    /// `SUBMIT_ATTEMPTS`: how often a submit that surely did not arrive is tried, over all channels.
    pub submit_attempts: u32,
    /// `UPSTREAM_SUBMIT_TIMEOUT`: the longest wait for an upstream's whole answer to a submit.
    pub upstream_submit_timeout: Duration,
    /// `UPSTREAM_FETCH_TIMEOUT`: the same for a poll.
    pub upstream_fetch_timeout: Duration,
    /// `RUST_LOG` and `LOG_FORMAT`.
    pub log: Log,
}

/// What a command that only needs the database is configured with.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// `DATABASE_URL`: where the database is.
    pub database_url: DatabaseUrl,
    /// `RUST_LOG` and `LOG_FORMAT`, where nothing but warnings is logged by default.
    pub log: Log,
}

/// What a command that only needs the broker is configured with.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `AMQP_URL`: where the broker is; `None` for queues in process (`task-center` only).
    pub amqp_url: Option<AmqpUrl>,
    /// `QUEUE_PREFIX`: the first part of every queue's and exchange's name.
    pub queue_prefix: String,
    /// `RUST_LOG` and `LOG_FORMAT`, where nothing but warnings is logged by default.
    pub log: Log,
}

/// The PEM files that make the API serve HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `TLS_CERT`: the certificate, and those between it and the root after it.
    pub cert: PathBuf,
    /// `TLS_KEY`: its private key.
    pub key: PathBuf,
}

/// The upstream that the environment names.
#[derive(Debug, Clone)]
pub struct Suno {
    /// `SUNO_BASE_URL`.
    pub base_url: BaseUrl,
    /// `SUNO_API_KEY`; empty for none.
    pub key: Secret,
}

/// Every variable that is read, as `.env.example` lists them.
pub const VARIABLES: [&str; 19] = [
    "DATABASE_URL",
    "DATABASE_MAX_CONNECTIONS",
    "AMQP_URL",
    "QUEUE_PREFIX",
    "API_BIND",
    "WORKER_BIND",
    "TLS_CERT",
    "TLS_KEY",
    "CORS_ALLOWED_ORIGINS",
    "SUNO_BASE_URL",
    "SUNO_API_KEY",
    "POLL_INITIAL_DELAY",
    "POLL_MAX_DELAY",
    "TASK_TIMEOUT",
    "SUBMIT_ATTEMPTS",
    "UPSTREAM_SUBMIT_TIMEOUT",
    "UPSTREAM_FETCH_TIMEOUT",
    "RUST_LOG",
    "LOG_FORMAT",
];

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

impl Config {
    /// Reads the process's environment and `.env` in the current folder; the environment wins.
    pub fn from_environment(program: Program) -> Result<Self, Mistakes> {
        environment::checked(environment::read(), |lookup| Self::read(program, lookup))
    }

    /// Reads every variable by `lookup`, in which an empty one counts as not set. All mistakes come
    /// back together.
    pub fn read(
        program: Program,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        let mut reader = Reader::new(&lookup);
        let config = Self {
            database_url: values::database_url(&mut reader, program),
            database_max_connections: reader.number("DATABASE_MAX_CONNECTIONS", 10, 2..=1000),
            amqp_url: values::amqp_url(&mut reader, program),
            queue_prefix: values::queue_prefix(&mut reader),
            api_bind: reader.address("API_BIND", 3000),
            worker_bind: reader.address("WORKER_BIND", 3001),
            tls: values::tls(&mut reader),
            cors: values::cors(&mut reader),
            suno: values::suno(&mut reader),
            poll: values::poll(&mut reader),
            task_timeout: reader.duration(
                "TASK_TIMEOUT",
                30 * MINUTE,
                SECOND..=7 * 24 * 60 * MINUTE,
            ),
            submit_attempts: reader.number("SUBMIT_ATTEMPTS", 5, 1..=100),
            // The broker takes back what a consumer holds for 30 minutes, and a call holds its
            // message: it must end well before (`design.md`, RabbitMQ).
            upstream_submit_timeout: reader.duration(
                "UPSTREAM_SUBMIT_TIMEOUT",
                150 * SECOND,
                MILLISECOND..=15 * MINUTE,
            ),
            upstream_fetch_timeout: reader.duration(
                "UPSTREAM_FETCH_TIMEOUT",
                30 * SECOND,
                MILLISECOND..=15 * MINUTE,
            ),
            log: values::log(&mut reader, Log::default()),
        };
        reader.end(config)
    }
}

impl CommandConfig {
    /// As [`Config::from_environment`], with nothing asked for but the database.
    pub fn from_environment(program: Program) -> Result<Self, Mistakes> {
        environment::checked(environment::read(), |lookup| Self::read(program, lookup))
    }

    /// As [`Config::read`], with nothing asked for but the database.
    pub fn read(
        program: Program,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        let mut reader = Reader::new(&lookup);
        let config = Self {
            database_url: values::database_url(&mut reader, program),
            log: values::log(&mut reader, Log::for_a_command()),
        };
        reader.end(config)
    }
}

impl BrokerConfig {
    /// As [`Config::from_environment`], with nothing asked for but the broker.
    pub fn from_environment(program: Program) -> Result<Self, Mistakes> {
        environment::checked(environment::read(), |lookup| Self::read(program, lookup))
    }

    /// As [`Config::read`], with nothing asked for but the broker.
    pub fn read(
        program: Program,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        let mut reader = Reader::new(&lookup);
        let config = Self {
            amqp_url: values::amqp_url(&mut reader, program),
            queue_prefix: values::queue_prefix(&mut reader),
            log: values::log(&mut reader, Log::for_a_command()),
        };
        reader.end(config)
    }
}
