//! The broker's URL: `AMQP_URL`.

use std::fmt;
use std::str::FromStr;

use lapin::uri::AMQPUri;

use crate::secret::Secret;

/// The accepted values of `AMQP_URL`, for messages.
pub(super) const TAKES: &str =
    "`amqp://user:password@host:5672/vhost` or `amqps://…` (the virtual host `/` is written `%2f`)";

/// The broker's URL. It may hold a password; `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl(Secret);

impl AmqpUrl {
    /// The whole URL, for the one place that connects.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl FromStr for AmqpUrl {
    type Err = NotABroker;

    fn from_str(text: &str) -> Result<Self, NotABroker> {
        text.parse::<AMQPUri>().map_err(|_| NotABroker)?;
        Ok(Self(Secret::new(text)))
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("amqp://…")
    }
}

/// The text is not a broker's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a broker is {TAKES}")]
pub struct NotABroker;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amqp_and_amqps_are_brokers_with_their_virtual_host() {
        for text in [
            "amqp://localhost",
            "amqp://u:p@h:5672/%2f",
            "amqps://u:p%40@h/music?heartbeat=10",
        ] {
            let url: Result<AmqpUrl, _> = text.parse();
            assert_eq!(url, Ok(AmqpUrl(Secret::new(text))));
        }
    }

    #[test]
    fn what_is_no_broker_is_refused() {
        for text in ["", "h:5672", "http://h", "amqp:h", "amqp://h:port/"] {
            assert_eq!(text.parse::<AmqpUrl>(), Err(NotABroker), "{text}");
        }
    }

    #[test]
    fn a_password_does_not_print() {
        let url: AmqpUrl = "amqp://u:hunter2@h".parse().expect("it is a URL");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
