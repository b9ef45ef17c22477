//! Servers that the environment names. One message now is worth more than a hundred failed tests,
//! so each must answer before the command runs.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may take to accept a connection.
const ANSWER: Duration = Duration::from_secs(10);

/// Whether `DATABASE_URL` names a server. An error if no server answers there.
pub async fn postgres() -> Result<bool, String> {
    check("DATABASE_URL", &[("postgres", 5432), ("postgresql", 5432)]).await
}

/// Whether `AMQP_URL` names a server. An error if no server answers there.
pub async fn rabbitmq() -> Result<bool, String> {
    check("AMQP_URL", &[("amqp", 5672), ("amqps", 5671)]).await
}

async fn check(variable: &str, schemes: &[(&str, u16)]) -> Result<bool, String> {
    let url = std::env::var(variable).unwrap_or_default();
    if url.is_empty() {
        return Ok(false);
    }
    let problem = match address(&url, schemes) {
        Err(problem) => problem,
        Ok(None) => return Ok(true),
        Ok(Some((host, port))) => {
            let connecting = timeout(ANSWER, TcpStream::connect((host, port)));
            if matches!(connecting.await, Ok(Ok(_))) {
                return Ok(true);
            }
            format!("but nothing answers on {host}:{port}")
        }
    };
    Err(format!(
        "{variable} is set, {problem}; unset it to get a private server"
    ))
}

/// The host and the port of a URL; `None` if it has no host, but a socket in its query, say.
fn address<'a>(url: &'a str, schemes: &[(&str, u16)]) -> Result<Option<(&'a str, u16)>, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let known = schemes.iter().find(|(name, _)| *name == scheme);
    let Some((_, default)) = known else {
        let names: Vec<&str> = schemes.iter().map(|(name, _)| *name).collect();
        return Err(format!("but to no {}:// URL", names.join(":// or ")));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(*default)),
        _ => (address, *default),
    };
    let host = host.trim_matches(['[', ']']);
    Ok((!host.is_empty()).then_some((host, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_its_clients_read_it() {
        let amqp = [("amqp", 5672), ("amqps", 5671)];
        for (url, expected) in [
            ("amqp://guest:g@host:1/%2f", Some(("host", 1))),
            ("amqp://host", Some(("host", 5672))),
            ("amqps://a:b@[::1]/?heartbeat=10", Some(("::1", 5671))),
            ("amqp://[::1]:7", Some(("::1", 7))),
            ("amqp:///?host=/run/socket", None),
        ] {
            assert_eq!(address(url, &amqp), Ok(expected), "{url}");
        }
        let said = address("http://host", &amqp).expect_err("it is no AMQP URL");
        assert_eq!(said, "but to no amqp:// or amqps:// URL");
    }
}
