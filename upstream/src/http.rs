//! One HTTP call to an upstream, bounded in time and size, and what its failure means.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{StatusCode, Url, redirect};
use shared::clock::{Millis, SharedClock};
use shared::store::channels::Channel;
use tokio::time::Instant;

use super::connect::{Blame, NoConnection};

/// By this header an upstream may recognise a request that it got before.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// The whole body.
    Whole(Vec<u8>),
    /// The body was cut off, or came too slowly.
    Torn,
    /// The body has more bytes than the caller wanted to read.
    TooLarge,
}

impl Body {
    /// The bytes, if all of them arrived.
    pub fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Torn | Self::TooLarge => None,
        }
    }
}

/// An answer of an upstream.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Body,
    /// What `Retry-After` says.
    pub retry_after: Option<Duration>,
    /// The time from the start of the call until the upstream said how it went: until the status arrived; of a
    /// 2xx, whose body tells, until the body did.
    pub after: Duration,
}

/// How a call ended.
#[derive(Debug)]
pub enum Reply {
    /// The upstream answered.
    Response(Response),
    /// No connection was made, so the request did not arrive.
    NotConnected(NoConnection),
    /// The request went out and no answer came: it may have arrived. The text is for an operator.
    NoResponse(String),
}

/// The HTTP clients that all drivers share.
#[derive(Clone)]
pub struct Http {
    /// For submits.
    pub submits: Client,
    /// For fetches.
    pub fetches: Client,
}

impl Http {
    /// Clients with these bounds on a whole call.
    pub fn new(
        submit_timeout: Duration,
        fetch_timeout: Duration,
        clock: SharedClock,
    ) -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder;
        // The upstream may close a kept connection just as a request goes out on it. Nobody could then
        // tell whether a submit arrived, so each submit opens a connection. A fetch can be repeated.
        let submits = builder().pool_max_idle_per_host(0);
        let fetches = builder().pool_idle_timeout(Duration::from_mins(1));
        let client = |builder, timeout, clock| {
            Ok::<_, reqwest::Error>(Client {
                inner: build(builder, timeout)?,
                clock,
                timeout,
                scheme: "Bearer",
            })
        };
        Ok(Self {
            submits: client(submits, submit_timeout, clock.clone())?,
            fetches: client(fetches, fetch_timeout, clock)?,
        })
    }

    /// The same clients, which send keys in this scheme of the header `Authorization`, and not as `Bearer`.
    #[must_use]
    pub fn with_scheme(self, scheme: &'static str) -> Self {
        let with = |client: Client| Client { scheme, ..client };
        Self {
            submits: with(self.submits),
            fetches: with(self.fetches),
        }
    }
}

/// A call to a channel.
#[derive(Debug)]
pub struct Call<'a> {
    /// The path, after the channel's base URL.
    pub path: &'a str,
    /// What is sent.
    pub sent: Sent<'a>,
    /// The most bytes of the answer that are read.
    pub largest: usize,
}

/// What a call sends.
#[derive(Debug)]
pub enum Sent<'a> {
    /// A POST of this JSON.
    Json(String),
    /// A POST of this JSON, with this `Idempotency-Key`.
    Once(String, &'a str),
    /// A GET with this parameter, a name and a value.
    Query(&'a str, &'a str),
    /// A GET.
    Nothing,
    /// A PUT without a body.
    Put,
}

/// A part of a path that means this text and nothing else, whatever is in it. `None`: no path can say it.
pub fn segment(text: &str) -> Option<String> {
    // URLs read these two as steps, however they are written.
    if matches!(text, "" | "." | "..") {
        return None;
    }
    let part = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    Some(text.bytes().map(part).collect())
}

/// An HTTP client.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    /// The clock by which `Retry-After` dates are read.
    clock: SharedClock,
    /// The bound on a whole call.
    timeout: Duration,
    /// The scheme of the header `Authorization`.
    scheme: &'static str,
}

impl Client {
    /// The bound on a whole call.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls the channel, once.
    pub async fn call(&self, channel: &Channel, call: Call<'_>) -> Reply {
        let url = format!("{}{}", channel.base_url, call.path);
        self.send(channel, url, call).await
    }

    /// Calls the channel, once. The path is from the root of the channel's host, whatever path its base URL has.
    pub async fn call_from_root(&self, channel: &Channel, call: Call<'_>) -> Reply {
        // An address that is no URL is refused by the client, in its own words.
        let root = Url::parse(&channel.base_url).map_or_else(
            |_| channel.base_url.clone(),
            |url| url.origin().ascii_serialization(),
        );
        let url = format!("{root}{}", call.path);
        self.send(channel, url, call).await
    }

    async fn send(&self, channel: &Channel, url: String, call: Call<'_>) -> Reply {
        let Self {
            inner: client,
            clock,
            ..
        } = self;
        // Not by `clock`: a machine's clock that is set back would make a late answer an early one.
        let started = Instant::now();
        let posted = |json| {
            let request = client.post(&url).body(json);
            request.header(CONTENT_TYPE, "application/json")
        };
        let request = match call.sent {
            Sent::Json(json) => posted(json),
            Sent::Once(json, key) => posted(json).header(IDEMPOTENCY_KEY, key),
            Sent::Nothing => client.get(&url),
            // Some gateways demand a length of a PUT.
            Sent::Put => client.put(&url).header(CONTENT_LENGTH, 0),
            Sent::Query(name, value) => match Url::parse_with_params(&url, [(name, value)]) {
                Ok(url) => client.get(url),
                // The client refuses it with its own words.
                Err(_) => client.get(&url),
            },
        };
        let key = format!("{} {}", self.scheme, channel.key.expose());
        let response = match request.header(AUTHORIZATION, key).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Reply::NotConnected(NoConnection {
                    what: causes(&error),
                    blame: Blame::of(&error),
                });
            }
            Err(error) => return Reply::NoResponse(causes(&error)),
        };
        let status = response.status();
        let of_status = started.elapsed();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .and_then(|value| self::retry_after(value, clock.now()));
        let body = read(response, call.largest).await;
        let after = if status.is_success() {
            started.elapsed()
        } else {
            of_status
        };
        Reply::Response(Response {
            status,
            body,
            retry_after,
            after,
        })
    }
}

fn build(
    builder: reqwest::ClientBuilder,
    timeout: Duration,
) -> Result<reqwest::Client, reqwest::Error> {
    // reqwest asks for the process's TLS backend; an error means that one is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder
        // At most half of the time, so that a slow connect ends as "not connected" and not as "no
        // answer", which would end a submit.
        .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
        .timeout(timeout)
        // A redirect would carry the request, and the key, to an address the operator did not name.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("task-center/", env!("CARGO_PKG_VERSION")))
        .build()
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

/// The wait that a `Retry-After` header asks for: seconds, or a date.
pub fn retry_after(value: &str, now: Millis) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(value.trim()).ok()?;
    let at = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Millis(i64::try_from(at.as_millis()).ok()?);
    Some(at.since(now))
}

/// The causes of an error, in one line. reqwest's own message holds the address, which must not be
/// logged, so only its causes are taken.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    if error.is_timeout() {
        causes.push("timed out".to_owned());
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if causes.is_empty() {
        "the connection failed".to_owned()
    } else {
        causes.join(": ")
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

    #[test]
    fn a_segment_leads_nowhere_else() {
        for (text, expected) in [
            ("436211", Some("436211")),
            ("a/../b?c#d e%2f", Some("a%2F..%2Fb%3Fc%23d%20e%252f")),
            ("ü", Some("%C3%BC")),
            ("..", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(segment(text).as_deref(), expected, "{text}");
            if let Some(segment) = expected {
                let url = Url::parse(&format!("http://a/x/{segment}")).expect("it is a URL");
                assert_eq!(url.path(), format!("/x/{segment}"));
            }
        }
    }
}
