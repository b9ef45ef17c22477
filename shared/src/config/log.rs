//! How much is logged, and in which form: `RUST_LOG` and `LOG_FORMAT`.

use tracing_subscriber::EnvFilter;

/// What `RUST_LOG` takes.
pub(super) const FILTER_TAKES: &str = "a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or a list such as `info,shared=debug`";

/// How much is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `RUST_LOG`: what is logged, in the words of `tracing`; valid.
    pub filter: String,
    /// `LOG_FORMAT`; `None` for pretty on a terminal and JSON elsewhere.
    pub format: Option<LogFormat>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: None,
        }
    }
}

impl Log {
    /// What a command logs if nothing else is said: its reasons go to a person, and that all is well
    /// shows in what it prints.
    pub(super) fn for_a_command() -> Self {
        Self {
            filter: "warn".to_owned(),
            format: Some(LogFormat::Pretty),
        }
    }

    /// What a program logs that has the screen to itself.
    pub fn errors_only() -> Self {
        Self {
            filter: "error".to_owned(),
            format: Some(LogFormat::Pretty),
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person: time, level, message, fields.
    Pretty,
    /// For a machine: one JSON object a line.
    Json,
}

impl LogFormat {
    /// The form of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The filter, if it is one.
pub(super) fn filter(text: &str) -> Option<String> {
    EnvFilter::builder().parse(text).ok()?;
    Some(text.to_owned())
}
