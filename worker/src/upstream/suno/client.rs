//! One HTTP call, bounded in time and size, and what its failure means.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use shared::clock::Millis;
use shared::store::channels::Channel;

/// The longest wait for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What came of an answer's body.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It was cut off, or too slow.
    Torn,
    /// It has more bytes than we read.
    TooLarge,
}

impl Body {
    /// The bytes, if all of them are there.
    pub fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Torn | Self::TooLarge => None,
        }
    }
}

/// How a call ended.
#[derive(Debug)]
pub enum Reply {
    /// The upstream answered.
    Answer {
        /// The status.
        status: StatusCode,
        /// The body.
        body: Body,
        /// For how long it asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// No connection was made: the request surely did not arrive. Why, for an operator.
    NotConnected(String),
    /// The request went out and no answer came: nobody knows. Why, for an operator.
    NoAnswer(String),
}

/// Calls upstreams.
pub struct Client(reqwest::Client);

impl Client {
    /// Each call on a connection of its own. For submits: a connection that was kept may have been
    /// closed by the other side just as the request went out, and then nobody would know whether it
    /// arrived.
    pub fn fresh_connections(timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder().pool_max_idle_per_host(0);
        Self::build(builder, timeout)
    }

    /// Connections are kept. For fetches, which may be repeated at will.
    pub fn kept_connections(timeout: Duration) -> Result<Self, reqwest::Error> {
        Self::build(
            reqwest::Client::builder().pool_idle_timeout(Duration::from_mins(1)),
            timeout,
        )
    }

    fn build(builder: reqwest::ClientBuilder, timeout: Duration) -> Result<Self, reqwest::Error> {
        // reqwest asks for the process's TLS backend; an error means that one is set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        builder
            // Half of all the time at most: past the whole of it nobody knows what arrived.
            .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
            .timeout(timeout)
            // A redirect would carry the request, and the key, to where the operator did not say.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("task-center/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
    }

    /// Posts JSON to the channel and reads at most `largest` bytes of the answer.
    pub async fn post(
        &self,
        channel: &Channel,
        path: &str,
        body: String,
        largest: usize,
        now: Millis,
    ) -> Reply {
        let sent = self
            .0
            .post(format!("{}{path}", channel.base_url))
            .header(AUTHORIZATION, format!("Bearer {}", channel.key.expose()))
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Reply::NotConnected(causes(&error));
            }
            Err(error) => return Reply::NoAnswer(causes(&error)),
        };
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, now));
        let body = read(response, largest).await;
        Reply::Answer {
            status,
            body,
            retry_after,
        }
    }
}

/// Reads the body; the client's timeout covers it.
async fn read(mut response: reqwest::Response, largest: usize) -> Body {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > largest => return Body::TooLarge,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(body),
            Err(_) => return Body::Torn,
        }
    }
}

/// `Retry-After`: seconds, or a date.
pub fn retry_after(value: &str, now: Millis) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(value.trim()).ok()?;
    let at = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Millis(i64::try_from(at.as_millis()).ok()?);
    Some(at.since(now))
}

/// An error and what caused it, in one line. reqwest's own words hold the address, which stays out.
fn causes(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    if error.is_timeout() {
        words.push("timed out".to_owned());
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    if words.is_empty() {
        "the connection failed".to_owned()
    } else {
        words.join(": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_reads_as_seconds_or_as_a_date() {
        let now = Millis(784_111_777_000);
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        let date = retry_after("Sun, 06 Nov 1994 08:50:00 GMT", now);
        assert_eq!(date, Some(Duration::from_secs(23)));
        let past = retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now);
        assert_eq!(past, Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
