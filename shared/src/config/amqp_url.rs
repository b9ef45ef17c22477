//! The broker's URL: `AMQP_URL`.

use lapin::uri::AMQPUri;

use crate::secret::Secret;

/// The accepted values of `AMQP_URL`, for messages.
pub(super) const TAKES: &str =
    "`amqp://user:password@host:5672/vhost` or `amqps://…` (the virtual host `/` is written `%2f`)";

/// The broker's URL. It may hold a password; `Debug` does not print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpUrl(Secret);

impl AmqpUrl {
    /// `None`: `text` is not a broker's URL.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<AMQPUri>().ok()?;
        Some(Self(Secret::new(text)))
    }

    /// The whole URL, for the one place that connects.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

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
            assert_eq!(AmqpUrl::parse(text), Some(AmqpUrl(Secret::new(text))));
        }
    }

    #[test]
    fn what_is_no_broker_is_refused() {
        for text in ["", "h:5672", "http://h", "amqp:h", "amqp://h:port/"] {
            assert_eq!(AmqpUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_password_does_not_print() {
        let url = AmqpUrl::parse("amqp://u:hunter2@h").expect("it is a URL");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
