//! The options of a simulator.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use clap::Args;

use crate::{
    faults::Faults,
    span::{Span, duration},
};

/// How the upstream behaves. The default is a healthy upstream with realistic delays.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How it serves")]
pub struct Options {
    /// The address to serve on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value_t = Self::default().bind)]
    pub bind: SocketAddr,

    /// Require this key of every request of a dialect: `Authorization: Bearer KEY`, for fal `Authorization: Key KEY`
    #[arg(long)]
    pub key: Option<Key>,

    /// The seed of all random numbers: the same seed and titles meet the same faults
    #[arg(long, default_value_t = Self::default().seed)]
    pub seed: u64,

    /// How many seconds the upstream's clock is ahead (negative: behind)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = Self::default().skew)]
    pub skew: i64,

    /// Answer a submit whose `Idempotency-Key` was accepted before with the first task
    #[arg(long)]
    pub idempotent: bool,

    /// How many tasks are made at once: a submit above that gets 429, and nothing is accepted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub places: Option<u32>,

    /// How many fetches are answered in a second: one above that gets 429, without Retry-After
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub fetches_per_second: Option<u32>,

    /// How many ids a fetch may name: one that names more gets 400
    #[arg(long, value_name = "N", default_value_t = Self::default().ids_per_fetch, value_parser = clap::value_parser!(u32).range(1..))]
    pub ids_per_fetch: u32,

    /// How long a finished task is kept
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    pub keep: Duration,

    /// How long a song takes
    #[arg(long, value_name = "SPAN", default_value_t = Self::default().song_time, help_heading = "How long things take")]
    pub song_time: Span,

    /// How long lyrics take
    #[arg(long, value_name = "SPAN", default_value_t = Self::default().lyrics_time, help_heading = "How long things take")]
    pub lyrics_time: Span,

    /// How long the answer to a submit takes
    #[arg(long, value_name = "SPAN", default_value_t = Self::default().submit_latency, help_heading = "How long things take")]
    pub submit_latency: Span,

    /// How long the answer to a fetch takes
    #[arg(long, value_name = "SPAN", default_value_t = Self::default().fetch_latency, help_heading = "How long things take")]
    pub fetch_latency: Span,

    /// Faults and their rates (--help lists the names)
    #[arg(
        long,
        value_name = "NAME=RATE,…",
        default_value = "",
        hide_default_value = true,
        help_heading = "What goes wrong"
    )]
    pub faults: Faults,

    /// The Retry-After of `submit-429-retry-after` and `fetch-429-retry-after`, in whole seconds
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s", help_heading = "What goes wrong")]
    pub retry_after: Duration,

    /// How long each byte of `submit-drip` and `fetch-drip` takes
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s", help_heading = "What goes wrong")]
    pub drip: Duration,

    /// The size of the answers of `submit-huge` and `fetch-huge`
    #[arg(long, value_name = "MEGABYTES", default_value_t = Self::default().huge, help_heading = "What goes wrong")]
    pub huge: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 3002)),
            key: None,
            seed: 1,
            skew: 0,
            idempotent: false,
            places: None,
            fetches_per_second: None,
            ids_per_fetch: 1_000,
            keep: Duration::from_hours(24),
            song_time: Span::between(Duration::from_secs(30), Duration::from_mins(5)),
            lyrics_time: Span::between(Duration::from_secs(5), Duration::from_secs(30)),
            submit_latency: Span::between(Duration::from_millis(20), Duration::from_millis(200)),
            fetch_latency: Span::between(Duration::from_millis(5), Duration::from_millis(50)),
            faults: Faults::default(),
            retry_after: Duration::from_secs(2),
            drip: Duration::from_secs(2),
            huge: 32,
        }
    }
}

/// The key that clients must send. Debug prints `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Whether an `Authorization` header of this value holds the key, in this scheme.
    pub(crate) fn admits(&self, scheme: &str, authorization: &str) -> bool {
        authorization.split_once(' ') == Some((scheme, &*self.0))
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(key: &str) -> Result<Self, &'static str> {
        if key.is_empty() {
            Err("a key can't be empty")
        } else {
            Ok(key.into())
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
