//! Which of the configured servers are talked to in plain text, over a network on which others may read along.

use std::net::IpAddr;

use lapin::uri::{AMQPScheme, AMQPUri};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use super::{BaseUrl, Config, DatabaseUrl};

impl Config {
    /// A warning for each server on another machine that is talked to in plain text. No warning holds a secret.
    pub fn plain_text_warnings(&self) -> Vec<String> {
        let database = match &self.database_url {
            DatabaseUrl::Postgres(url) => plain_database(url),
            DatabaseUrl::Sqlite(_) => None,
        };
        let database = database.map(|host| {
            format!(
                "DATABASE_URL lets the connection to {host} be plain text: passwords, prompts and results can be read \
                 on the way; `?sslmode=verify-full` encrypts it"
            )
        });
        let broker = self.amqp_url.as_ref();
        let broker = broker.and_then(|url| plain_broker(url.secret().expose()));
        let broker = broker.map(|host| {
            format!(
                "AMQP_URL talks to {host} in plain text: its password can be read on the way; `amqps://` encrypts it"
            )
        });
        let upstream = self.suno.as_ref();
        let upstream = upstream.and_then(|suno| suno.base_url.plain_text_warning("SUNO_BASE_URL"));
        [database, broker, upstream].into_iter().flatten().collect()
    }
}

impl BaseUrl {
    /// A warning if the upstream is on another machine and talked to in plain text. `name` is what holds the URL.
    pub fn plain_text_warning(&self, name: &str) -> Option<String> {
        let url = Url::parse(self.as_str()).ok()?;
        let host = url.host_str()?;
        (url.scheme() == "http" && !is_this_machine(host)).then(|| {
            format!(
                "{name} talks to {host} in plain text: our key there, prompts and results can be read on the way; \
                 `https://` encrypts it"
            )
        })
    }
}

/// The host, if the connection may be plain text: all modes below `require` allow that.
fn plain_database(url: &str) -> Option<String> {
    let options: PgConnectOptions = url.parse().ok()?;
    let may_be_plain = matches!(
        options.get_ssl_mode(),
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer
    );
    let host = options.get_host();
    // A host that is a path is a Unix socket.
    let is_here = is_this_machine(host) || host.starts_with('/') || options.get_socket().is_some();
    (may_be_plain && !is_here).then(|| host.to_owned())
}

fn plain_broker(url: &str) -> Option<String> {
    let uri: AMQPUri = url.parse().ok()?;
    let host = uri.authority.host;
    (uri.scheme == AMQPScheme::AMQP && !is_this_machine(&host)).then_some(host)
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Program;

    fn warnings(database: &str, broker: &str, upstream: &str) -> Vec<String> {
        let config = Config::read(Program::Worker, |name| match name {
            "DATABASE_URL" => Some(database.to_owned()),
            "AMQP_URL" => Some(broker.to_owned()),
            "SUNO_BASE_URL" => Some(upstream.to_owned()),
            _ => None,
        });
        config.expect("it is valid").plain_text_warnings()
    }

    #[test]
    fn plain_text_to_another_machine_is_warned_of_without_a_secret() {
        let warned = warnings(
            "postgres://u:hunter2@db.example/x",
            "amqp://u:hunter2@10.0.0.1/%2f",
            "http://up.example:8000",
        );
        assert_eq!(warned.len(), 3, "{warned:?}");
        for (warning, begin) in warned.iter().zip([
            "DATABASE_URL lets the connection to db.example ",
            "AMQP_URL talks to 10.0.0.1 ",
            "SUNO_BASE_URL talks to up.example ",
        ]) {
            assert!(warning.starts_with(begin), "{warning}");
            assert!(!warning.contains("hunter2"), "{warning}");
        }
    }

    #[test]
    fn encryption_and_this_machine_are_not() {
        for (database, broker, upstream) in [
            (
                "postgres://u:p@db.example/x?sslmode=require",
                "amqps://u:p@mq.example/%2f",
                "https://up.example",
            ),
            (
                "postgres://u:p@127.0.0.1/x",
                "amqp://u:p@localhost/%2f",
                "http://[::1]:8000",
            ),
            (
                "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/x?sslmode=disable",
                "amqp://u:p@127.0.0.2/%2f",
                "http://LOCALHOST:1",
            ),
        ] {
            let warned = warnings(database, broker, upstream);
            assert_eq!(warned, Vec::<String>::new(), "{database}");
        }
    }
}
