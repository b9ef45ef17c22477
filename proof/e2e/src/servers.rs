//! `PostgreSQL` and `RabbitMQ`, given by the environment.

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The servers that scenarios share.
#[derive(Debug, Clone)]
pub struct Servers {
    /// `DATABASE_URL`: a server that lets us make databases.
    pub postgres: PgConnectOptions,
    /// `AMQP_URL`.
    pub amqp: Url,
    /// `RABBITMQ_MANAGEMENT_URL`, with the credentials in it.
    pub management: Url,
}

impl Servers {
    /// Panics where one is not named: a missing service fails a test, it never skips it.
    pub fn from_environment() -> Self {
        let postgres = variable("DATABASE_URL").parse();
        Self {
            postgres: postgres.expect("DATABASE_URL is postgres://…"),
            amqp: url("AMQP_URL"),
            management: url("RABBITMQ_MANAGEMENT_URL"),
        }
    }
}

fn url(name: &str) -> Url {
    let parsed = variable(name).parse();
    parsed.unwrap_or_else(|error| panic!("{name} does not read as a URL: {error}"))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: these tests need a PostgreSQL and a RabbitMQ with its management \
             API. `scripts/with-servers COMMAND` starts private ones, and scripts/test uses it"
        )
    })
}
