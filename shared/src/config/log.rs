//! The log's filter and format: `RUST_LOG` and `LOG_FORMAT`.

use tracing_subscriber::EnvFilter;

/// The accepted values of `RUST_LOG`, for messages.
pub(super) const FILTER_TAKES: &str = "a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or a list such as `info,shared=debug`";

/// The log's filter and format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `RUST_LOG`: a valid filter of `tracing`.
    pub filter: String,
    /// `LOG_FORMAT`; `None` means pretty on a terminal and JSON elsewhere.
    pub format: Option<LogFormat>,
}

impl Default for Log {
    fn default() -> Self {
        Self::new("info", None)
    }
}

impl Log {
    fn new(filter: &str, format: Option<LogFormat>) -> Self {
        let filter = filter.to_owned();
        Self { filter, format }
    }

    /// The default of commands: warnings and errors, for a person. Success shows in the command's
    /// output.
    pub(super) fn for_a_command() -> Self {
        Self::new("warn", Some(LogFormat::Pretty))
    }

    /// Errors only, for a program that draws on the terminal.
    pub fn errors_only() -> Self {
        Self::new("error", Some(LogFormat::Pretty))
    }
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person: time, level, message, fields.
    Pretty,
    /// For a machine: one JSON object a line.
    Json,
}

impl LogFormat {
    /// The format with this name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The text, if it is a valid filter.
pub(super) fn filter(text: &str) -> Option<String> {
    EnvFilter::builder().parse(text).ok()?;
    Some(text.to_owned())
}
