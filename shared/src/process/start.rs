//! The steps of a start: the database, the broker, the environment's channel, the address.
//!
//! Each step's error is for the person who starts the program, and holds no secret.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::broker::in_process::InProcess;
use crate::broker::rabbitmq::{RabbitMq, RabbitMqOptions};
use crate::broker::{BrokerError, SharedBroker};
use crate::clock::Millis;
use crate::config::{Config, DatabaseUrl, Program, Suno};
use crate::random::Random;
use crate::store::channels::NewChannel;
use crate::store::{Store, StoreError, StoreOptions};
use crate::task::Platform;

/// Why a program could not start. `variable` is the variable to look at.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages explain the fields")]
pub enum StartError {
    /// The database could not be opened or migrated.
    #[error("DATABASE_URL: {}", .0.in_plain_words())]
    Database(#[source] StoreError),
    /// There is no database, and this command makes none.
    #[error(
        "DATABASE_URL: there is no database {0}. `migrate` makes one, and so does a server that starts"
    )]
    NoTables(String),
    /// The broker could not be reached, or its queues could not be declared.
    #[error("AMQP_URL: {0}")]
    Broker(#[source] BrokerError),
    /// An address could not be bound.
    #[error("{variable}: cannot listen on {address}: {why}")]
    Bind {
        variable: &'static str,
        address: SocketAddr,
        why: io::Error,
    },
    /// HTTPS cannot be served with the files of `TLS_CERT` and `TLS_KEY`.
    #[error("{variable}: {why}")]
    Tls { variable: &'static str, why: String },
}

/// Opens the store and migrates it.
pub async fn open_store(url: &DatabaseUrl, options: StoreOptions) -> Result<Store, StartError> {
    let store = Store::at(url, options).map_err(StartError::Database)?;
    migrated(store, url).await
}

async fn migrated(store: Store, url: &DatabaseUrl) -> Result<Store, StartError> {
    tracing::info!(database = ?url, "bringing the database's tables up to date");
    if let Err(error) = store.migrate().await {
        store.close().await;
        return Err(StartError::Database(error));
    }
    tracing::info!(database = ?url, "the database is ready");
    Ok(store)
}

/// As [`open_store`], for a command that makes no database.
pub async fn open_existing_store(
    url: &DatabaseUrl,
    options: StoreOptions,
) -> Result<Store, StartError> {
    if let DatabaseUrl::Sqlite(path) = url
        && !path.exists()
    {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        return Err(StartError::NoTables(format!("at {}", path.display())));
    }
    let store = Store::at(url, options).map_err(StartError::Database)?;
    let why = match store.has_tables().await {
        Ok(true) => return migrated(store, url).await,
        Ok(false) => StartError::NoTables("there, or it has no tables".to_owned()),
        Err(error) => StartError::Database(error),
    };
    store.close().await;
    Err(why)
}

/// The broker that `config` names, which connects by itself, or queues in memory if it names none. The broker shows
/// `program` as the name of the connections.
pub fn broker(
    config: &Config,
    program: Program,
    random: Arc<Random>,
) -> Result<SharedBroker, StartError> {
    let Some(url) = &config.amqp_url else {
        return Ok(Arc::new(InProcess::new()));
    };
    let broker = RabbitMq::at(RabbitMqOptions {
        url: url.secret().clone(),
        prefix: config.queue_prefix.clone(),
        program: program.name(),
        random,
    });
    Ok(Arc::new(broker.map_err(StartError::Broker)?))
}

/// Writes the upstream of `SUNO_BASE_URL` and `SUNO_API_KEY` as the channel `default`, enabled.
pub async fn put_environment_channel(
    store: &Store,
    suno: &Suno,
    now: Millis,
) -> Result<(), StartError> {
    let (url, key) = (suno.base_url.to_string(), suno.key.clone());
    let channel = NewChannel::new("default", Platform::SUNO, url, key);
    let id = store.put_channel(channel, now).await;
    let id = id.map_err(StartError::Database)?;
    tracing::info!(%id, base_url = %suno.base_url, "SUNO_BASE_URL is the channel `default`");
    Ok(())
}

/// Prints `listening on <url>` on stdout. People and scripts wait for this line.
pub fn announce(url: &str) {
    print(&format!("listening on {url}"));
}

/// Prints a text on stdout. A closed stdout is no error.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
