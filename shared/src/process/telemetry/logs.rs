//! Log lines, on stderr. Stdout is for the output of commands and `listening on …`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{Log, LogFormat};

/// Starts logging for the whole process, panics included. Later calls change nothing.
///
/// A JSON line has `timestamp`, `level`, `target`, `message` and the event's fields on one level,
/// and the array `spans`, the outermost first, each with its fields.
pub fn init(log: &Log) {
    let terminal = io::stderr().is_terminal();
    let format = log.format.unwrap_or(if terminal {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    });
    let started = tracing::subscriber::set_global_default(subscriber(
        format,
        &log.filter,
        terminal,
        io::stderr,
    ));
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// A subscriber that writes events as lines on `writer`.
fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    terminal: bool,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        // The configuration has checked the filter, so that nothing is lost.
        .with_env_filter(EnvFilter::builder().parse_lossy(filter))
        .with_timer(Utc)
        // A closed stderr must not cause a panic.
        .log_internal_errors(false)
        .with_writer(writer);
    match format {
        LogFormat::Json => Box::new(
            lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true)
                .finish(),
        ),
        // On a terminal the library decides about colours; it respects NO_COLOR.
        LogFormat::Pretty if terminal => Box::new(lines.compact().with_target(false).finish()),
        LogFormat::Pretty => Box::new(lines.with_ansi(false).compact().with_target(false).finish()),
    }
}

/// Writes the time of a line: `2026-07-28T12:34:56.789Z`.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&SystemClock.now().utc())
    }
}

/// Logs a panic as a line of the same format as the others.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("it did not say why");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        location,
        backtrace = backtrace.map(tracing::field::display),
        "panicked: {message}"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, work);
        let held = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&held).into_owned()
    }

    #[test]
    fn a_json_line_has_its_fields_and_those_of_every_span_around_it() {
        let text = logged(LogFormat::Json, "info", || {
            let _request = tracing::info_span!("request", request_id = "r1").entered();
            let _inner = tracing::info_span!("inner").entered();
            tracing::info!(task = 17, "stored");
        });
        let line: serde_json::Value = serde_json::from_str(&text).expect("it is one JSON object");
        assert_eq!(line["message"], "stored");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["task"], 17);
        assert_eq!(line["spans"][0]["request_id"], "r1");
        assert!(line["timestamp"].as_str().is_some_and(|t| t.ends_with('Z')));
    }

    #[test]
    fn a_pretty_line_is_time_level_message_and_fields_without_colours_in_a_file() {
        let text = logged(LogFormat::Pretty, "info", || {
            tracing::warn!(task = 17, "late");
        });
        assert!(text.contains("  WARN late task=17\n"), "{text:?}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let text = logged(LogFormat::Pretty, "error", || {
            tracing::warn!("not this");
        });
        assert_eq!(text, "");
    }
}
