//! The configuration, read from the environment once and checked as a whole (`docs/contract.md`,
//! "Environment").
//!
//! | file | what it holds |
//! |---|---|
//! | [`environment`] | the environment variables and `.env`, as one lookup |
//! | `reader` | parses variables and collects all mistakes |
//! | [`mistake`] | a mistake, as the operator reads it |
//! | [`duration`] | `5s`, `250ms`, `30m`, `1h` |
//! | `values` | variables with rules of their own, and rules over several variables |
//! | `plain_text` | which servers are talked to in plain text |
//! | [`database_url`], [`amqp_url`], [`base_url`], [`cors`], [`listing_actions`], [`log`], [`networks`] | types of values |
//!
//! Nothing outside this folder reads a variable. A [`Config`] that exists is valid.

pub mod amqp_url;
pub mod base_url;
pub mod cors;
pub mod database_url;
pub mod duration;
pub mod environment;
pub mod listing_actions;
pub mod log;
pub mod mistake;
pub mod networks;
mod plain_text;
mod pooler;
mod reader;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub use amqp_url::AmqpUrl;
pub use base_url::BaseUrl;
pub use cors::Cors;
pub use database_url::DatabaseUrl;
pub use environment::{from_environment, look_alikes};
pub use listing_actions::ListingActions;
pub use log::{Log, LogFormat};
pub use mistake::{Mistake, Mistakes};
pub use networks::Networks;
pub use pooler::Pooler;

use crate::secret::Secret;
use crate::task::wait::PollPace;
use reader::Reader;

/// A program. It decides which variables are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `task-center`: everything in one process; requires no variable.
    TaskCenter,
    /// `api`: requires `DATABASE_URL` and `AMQP_URL`.
    Api,
    /// `worker`: requires `DATABASE_URL` and `AMQP_URL`.
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

/// The whole configuration, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`: the database's URL.
    pub database_url: DatabaseUrl,
    /// `DATABASE_MAX_CONNECTIONS`: the most database connections of this process.
    pub database_max_connections: u32,
    /// `DATABASE_POOLER`: what stands between this process and `PostgreSQL`.
    pub database_pooler: Pooler,
    /// `AMQP_URL`: the broker's URL; `None` means queues in memory (`task-center` only).
    pub amqp_url: Option<AmqpUrl>,
    /// `QUEUE_PREFIX`: the first part of the names of all queues and exchanges.
    pub queue_prefix: String,
    /// `API_BIND`: the API's address; port 0 takes a free port.
    pub api_bind: SocketAddr,
    /// `WORKER_BIND`: the address of the worker's health and figures; port 0 takes a free port.
    pub worker_bind: SocketAddr,
    /// `METRICS_BIND`: where `/metrics` of the API is served alone; `None`: on the API's address.
    pub metrics_bind: Option<SocketAddr>,
    /// `TLS_CERT` and `TLS_KEY`: if set, the API serves HTTPS. The files are not read yet.
    pub tls: Option<TlsFiles>,
    /// `TRUSTED_PROXIES`: the networks of the proxies in front of the API.
    pub trusted_proxies: Networks,
    /// `PUBLIC_URL`: our own address, as vendors reach it; `None`: they cannot call us.
    pub public_url: Option<BaseUrl>,
    /// `API_RATE_LIMIT`: how many requests a second each API process takes with one credential; 0: any number.
    pub api_rate_limit: u32,
    /// `DRAIN_DELAY`: how long the API serves on after SIGTERM, while `/readyz` says 503.
    pub drain_delay: Duration,
    /// `CORS_ALLOWED_ORIGINS`: the other origins whose pages may call the API.
    pub cors: Cors,
    /// `LISTING_ACTIONS`: how the listings name actions.
    pub listing_actions: ListingActions,
    /// `SUNO_BASE_URL` and `SUNO_API_KEY`: if set, the channel `default`.
    pub suno: Option<Suno>,
    /// `POLL_INITIAL_DELAY` and `POLL_MAX_DELAY`: the waits between polls.
    pub poll: PollPace,
    /// `TASK_TIMEOUT`: the time a task has from when it is sent to its end.
    pub task_timeout: Duration,
    /// `QUEUE_TIMEOUT`: how long a task may wait to be sent.
    pub queue_timeout: Duration,
    /// `SUBMIT_ATTEMPTS`: the most attempts to submit a task, over all channels, while it is
    /// certain that no attempt reached the upstream.
    pub submit_attempts: u32,
    /// `UPSTREAM_SUBMIT_TIMEOUT`: the longest wait for an upstream's complete response to a submit.
    pub upstream_submit_timeout: Duration,
    /// `UPSTREAM_FETCH_TIMEOUT`: the longest wait for an upstream's complete response to a poll.
    pub upstream_fetch_timeout: Duration,
    /// `RUST_LOG` and `LOG_FORMAT`.
    pub log: Log,
}

/// The configuration of a command that only uses the database.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// `DATABASE_URL`: the database's URL.
    pub database_url: DatabaseUrl,
    /// `DATABASE_POOLER`: what stands between this process and `PostgreSQL`.
    pub database_pooler: Pooler,
    /// `RUST_LOG` and `LOG_FORMAT`; the default is warnings and errors, for a person.
    pub log: Log,
}

/// The configuration of a command that only uses the broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `AMQP_URL`: the broker's URL; `None` means queues in memory (`task-center` only).
    pub amqp_url: Option<AmqpUrl>,
    /// `QUEUE_PREFIX`: the first part of the names of all queues and exchanges.
    pub queue_prefix: String,
    /// `RUST_LOG` and `LOG_FORMAT`; the default is warnings and errors, for a person.
    pub log: Log,
}

/// The PEM files that make the API serve HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `TLS_CERT`: the certificate, followed by the intermediate ones.
    pub cert: PathBuf,
    /// `TLS_KEY`: the certificate's private key.
    pub key: PathBuf,
}

/// The upstream that the environment names.
#[derive(Debug, Clone)]
pub struct Suno {
    /// `SUNO_BASE_URL`.
    pub base_url: BaseUrl,
    /// `SUNO_API_KEY`; empty if there is none.
    pub key: Secret,
}

/// All variables, in the order of `.env.example`.
pub const VARIABLES: [&str; 30] = [
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_POOLER",
    "AMQP_URL",
    "AMQP_URL_FILE",
    "QUEUE_PREFIX",
    "API_BIND",
    "WORKER_BIND",
    "METRICS_BIND",
    "TLS_CERT",
    "TLS_KEY",
    "TRUSTED_PROXIES",
    "PUBLIC_URL",
    "API_RATE_LIMIT",
    "DRAIN_DELAY",
    "CORS_ALLOWED_ORIGINS",
    "LISTING_ACTIONS",
    "SUNO_BASE_URL",
    "SUNO_API_KEY",
    "SUNO_API_KEY_FILE",
    "POLL_INITIAL_DELAY",
    "POLL_MAX_DELAY",
    "TASK_TIMEOUT",
    "QUEUE_TIMEOUT",
    "SUBMIT_ATTEMPTS",
    "UPSTREAM_SUBMIT_TIMEOUT",
    "UPSTREAM_FETCH_TIMEOUT",
    "RUST_LOG",
    "LOG_FORMAT",
];

/// The most requests a second that a limit can be set to: for one credential, at one API process.
pub const HIGHEST_RATE: u32 = 1_000_000;

/// The variables that may hold a secret. For each, `<name>_FILE` can name a file that holds the value.
const SECRETS: [&str; 3] = ["DATABASE_URL", "AMQP_URL", "SUNO_API_KEY"];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// How long a call of an upstream may take. A call holds its message, and RabbitMQ requeues a message that
/// a consumer holds for 30 minutes. So the longest call is half of that.
const CALL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(15);

impl Config {
    /// Reads the variables with `lookup`. An empty variable counts as not set. The error holds all
    /// mistakes.
    pub fn read(
        program: Program,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        Reader::read(&lookup, |reader| Self {
            database_url: values::database_url(reader, program),
            database_max_connections: reader.number("DATABASE_MAX_CONNECTIONS", 10, 2..=1000),
            database_pooler: values::database_pooler(reader),
            amqp_url: values::amqp_url(reader, program),
            queue_prefix: values::queue_prefix(reader),
            api_bind: reader.address("API_BIND", 3000),
            worker_bind: reader.address("WORKER_BIND", 3001),
            metrics_bind: reader.address_if_set("METRICS_BIND", 3003),
            tls: values::tls(reader),
            trusted_proxies: values::trusted_proxies(reader),
            public_url: values::public_url(reader),
            api_rate_limit: reader.number("API_RATE_LIMIT", 50, 0..=HIGHEST_RATE),
            drain_delay: reader.duration("DRAIN_DELAY", 5 * SECOND, Duration::ZERO..=10 * MINUTE),
            cors: values::cors(reader),
            listing_actions: values::listing_actions(reader),
            suno: values::suno(reader),
            poll: values::poll(reader),
            task_timeout: reader.duration("TASK_TIMEOUT", 30 * MINUTE, SECOND..=WEEK),
            queue_timeout: reader.duration("QUEUE_TIMEOUT", 24 * 60 * MINUTE, SECOND..=WEEK),
            submit_attempts: reader.number("SUBMIT_ATTEMPTS", 5, 1..=100),
            upstream_submit_timeout: reader.duration("UPSTREAM_SUBMIT_TIMEOUT", 150 * SECOND, CALL),
            upstream_fetch_timeout: reader.duration("UPSTREAM_FETCH_TIMEOUT", 30 * SECOND, CALL),
            log: values::log(reader, Log::default()),
        })
    }
}

impl CommandConfig {
    /// As [`Config::read`].
    pub fn read(
        program: Program,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        Reader::read(&lookup, |reader| Self {
            database_url: values::database_url(reader, program),
            database_pooler: values::database_pooler(reader),
            log: values::log(reader, Log::for_a_command()),
        })
    }
}

impl BrokerConfig {
    /// As [`Config::read`].
    pub fn read(
        program: Program,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        Reader::read(&lookup, |reader| Self {
            amqp_url: values::amqp_url(reader, program),
            queue_prefix: values::queue_prefix(reader),
            log: values::log(reader, Log::for_a_command()),
        })
    }
}
