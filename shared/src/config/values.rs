//! Variables with rules of their own, and rules over several variables.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::{
    AmqpUrl, BaseUrl, Cors, DatabaseUrl, ListingActions, Log, LogFormat, Networks, Pooler, Program,
    Suno, TlsFiles, amqp_url, base_url, cors, duration, log, networks,
};
use crate::secret::Secret;
use crate::task::wait::{PollPace, Rung};

pub(super) fn database_url(reader: &mut Reader<'_>, program: Program) -> DatabaseUrl {
    const NAME: &str = "DATABASE_URL";
    let default = DatabaseUrl::Sqlite(PathBuf::from("data/task-center.db"));
    let takes = "`postgres://user:password@host:5432/name` or `sqlite://path/to/file.db`";
    required(reader, program, NAME, takes);
    let url = reader.hidden(NAME, takes, DatabaseUrl::parse);
    url.unwrap_or(default)
}

/// The task center needs no variable; the other programs need this one.
fn required(reader: &mut Reader<'_>, program: Program, name: &str, takes: &str) {
    if program != Program::TaskCenter && reader.text(name).is_none() {
        reader.mistake(name, format!("is not set; it takes {takes}"));
    }
}

pub(super) fn database_pooler(reader: &mut Reader<'_>) -> Pooler {
    let takes = "`none` or `transaction`";
    let named = reader.parsed("DATABASE_POOLER", takes, Pooler::from_name);
    named.unwrap_or_default()
}

pub(super) fn amqp_url(reader: &mut Reader<'_>, program: Program) -> Option<AmqpUrl> {
    const NAME: &str = "AMQP_URL";
    required(reader, program, NAME, amqp_url::TAKES);
    reader.hidden(NAME, amqp_url::TAKES, AmqpUrl::parse)
}

pub(super) fn queue_prefix(reader: &mut Reader<'_>) -> String {
    // RabbitMQ reserves `amq.`. 64 bytes leave room for the rest of a name, which may have 255.
    let takes = "1 to 64 letters, digits, `-`, `_` and `.`, not `amq.` at the start";
    let valid = |text: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        text.len() <= 64 && text.bytes().all(known) && !text.starts_with("amq.")
    };
    let prefix = reader.parsed("QUEUE_PREFIX", takes, |text| {
        valid(text).then(|| text.to_owned())
    });
    prefix.unwrap_or_else(|| "task".to_owned())
}

/// Both files, or neither.
pub(super) fn tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    match (reader.text("TLS_CERT"), reader.text("TLS_KEY")) {
        (Some(cert), Some(key)) => Some(TlsFiles {
            cert: cert.into(),
            key: key.into(),
        }),
        (None, None) => None,
        (Some(_), None) => {
            let why = "is not set, but TLS_CERT is; it takes the PEM file of the certificate's key";
            reader.mistake("TLS_KEY", why);
            None
        }
        (None, Some(_)) => {
            let why = "is not set, but TLS_KEY is; it takes the PEM file of the key's certificate";
            reader.mistake("TLS_CERT", why);
            None
        }
    }
}

pub(super) fn trusted_proxies(reader: &mut Reader<'_>) -> Networks {
    let networks = reader.parsed("TRUSTED_PROXIES", networks::TAKES, Networks::parse);
    networks.unwrap_or_default()
}

pub(super) fn public_url(reader: &mut Reader<'_>) -> Option<BaseUrl> {
    // Hidden, because a malformed URL may hold a password.
    reader.hidden("PUBLIC_URL", base_url::TAKES, |text| text.parse().ok())
}

pub(super) fn cors(reader: &mut Reader<'_>) -> Cors {
    let origins = reader.parsed("CORS_ALLOWED_ORIGINS", cors::TAKES, Cors::parse);
    origins.unwrap_or_default()
}

pub(super) fn listing_actions(reader: &mut Reader<'_>) -> ListingActions {
    let takes = "`document` or `new-api`";
    let named = reader.parsed("LISTING_ACTIONS", takes, ListingActions::from_name);
    named.unwrap_or_default()
}

/// The key is optional; a key without a URL is a mistake.
pub(super) fn suno(reader: &mut Reader<'_>) -> Option<Suno> {
    // Hidden, because a malformed URL may hold a password.
    let base_url: Option<BaseUrl> =
        reader.hidden("SUNO_BASE_URL", base_url::TAKES, |text| text.parse().ok());
    let takes = "the upstream's API key: printable ASCII characters without spaces";
    let key = reader.hidden("SUNO_API_KEY", takes, Secret::upstream_key);
    if key.is_some() && reader.text("SUNO_BASE_URL").is_none() {
        let takes = base_url::TAKES;
        let why = format!("is not set, but SUNO_API_KEY is; it takes {takes}");
        reader.mistake("SUNO_BASE_URL", why);
    }
    Some(Suno {
        base_url: base_url?,
        key: key.unwrap_or_else(|| Secret::new("")),
    })
}

/// The first wait is at most the longest wait, and that is at most the broker's longest delay.
pub(super) fn poll(reader: &mut Reader<'_>) -> PollPace {
    const INITIAL: &str = "POLL_INITIAL_DELAY";
    const MAX: &str = "POLL_MAX_DELAY";
    let range = Duration::from_millis(1)..=Rung::LONGEST.duration();
    let pace = PollPace {
        initial: reader.duration(INITIAL, Duration::from_secs(5), range.clone()),
        max: reader.duration(MAX, Duration::from_secs(30), range),
    };
    if pace.initial > pace.max && !reader.is_wrong(INITIAL) && !reader.is_wrong(MAX) {
        let (initial, max) = (duration::print(pace.initial), duration::print(pace.max));
        let why = format!("is {initial}, longer than {MAX}, which is {max}");
        reader.mistake(INITIAL, why);
    }
    pace
}

pub(super) fn log(reader: &mut Reader<'_>, default: Log) -> Log {
    Log {
        filter: reader
            .parsed("RUST_LOG", log::FILTER_TAKES, log::filter)
            .unwrap_or(default.filter),
        format: reader
            .parsed("LOG_FORMAT", "`pretty` or `json`", LogFormat::from_name)
            .or(default.format),
    }
}
