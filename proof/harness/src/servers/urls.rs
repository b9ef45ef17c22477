//! The addresses of a `PostgreSQL` and a `RabbitMQ`.

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The addresses of both servers, with the credentials to use there.
#[derive(Debug, Clone)]
pub struct ServerUrls {
    /// A server on which databases can be created.
    pub postgres: PgConnectOptions,
    /// The broker.
    pub amqp: Url,
    /// The broker's management API.
    pub management: Url,
}

impl ServerUrls {
    /// Reads them from `DATABASE_URL`, `AMQP_URL` and `RABBITMQ_MANAGEMENT_URL`. Panics if one is
    /// missing: a test without its server fails, and is never skipped.
    pub fn from_environment() -> Self {
        Self {
            postgres: postgres_of_environment(),
            amqp: amqp_of_environment(),
            management: url("RABBITMQ_MANAGEMENT_URL"),
        }
    }
}

/// `DATABASE_URL`. Panics if it is missing.
pub fn postgres_of_environment() -> PgConnectOptions {
    let options = variable("DATABASE_URL").parse();
    options.expect("DATABASE_URL is postgres://…")
}

/// `AMQP_URL`. Panics if it is missing.
pub fn amqp_of_environment() -> Url {
    url("AMQP_URL")
}

fn url(name: &str) -> Url {
    let parsed = variable(name).parse();
    parsed.unwrap_or_else(|error| panic!("{name} does not read as a URL: {error}"))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: this test needs a PostgreSQL and a RabbitMQ with its management \
             API. `scripts/with-servers COMMAND` starts private ones, and scripts/test uses it"
        )
    })
}
