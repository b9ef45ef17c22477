//! Log lines, on stderr. Stdout is for the output of commands and `listening on …`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt as lines};

use super::json::JsonLines;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Log, LogFormat};

/// Starts logging for the whole process, panics included. Later calls change nothing.
///
/// A JSON line has `timestamp`, `level`, `target`, `message`, the event's fields and those of its spans, all on one
/// level and each key once.
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
    let lines = lines::layer::<Registry>()
        .with_timer(Utc)
        // A closed stderr must not cause a panic.
        .log_internal_errors(false)
        .with_writer(writer);
    let lines = match format {
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .boxed(),
        // On a terminal the library decides about colours; it respects NO_COLOR.
        LogFormat::Pretty if terminal => lines.compact().with_target(false).boxed(),
        LogFormat::Pretty => lines.with_ansi(false).compact().with_target(false).boxed(),
    };
    let harmless = FilterFn::new(|metadata| !tells_secrets(metadata.target(), *metadata.level()));
    // The configuration has checked the filter, so that nothing is lost.
    let filter = EnvFilter::builder().parse_lossy(filter);
    Box::new(
        Registry::default()
            .with(lines.with_filter(harmless))
            .with(filter),
    )
}

/// Whether a library's lines tell secrets, whatever filter the operator sets. lapin traces each frame that it sends,
/// and the password of the broker is in one.
fn tells_secrets(target: &str, level: Level) -> bool {
    level == Level::TRACE
        && ["lapin", "amq_protocol"]
            .iter()
            .any(|name| target.starts_with(name))
}

/// Writes the time of a line: `2026-07-28T12:34:56.789Z`.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&now())
    }
}

/// The time of a line.
pub(super) fn now() -> String {
    SystemClock.now().utc()
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
        assert_eq!(line["request_id"], "r1");
        assert!(line["timestamp"].as_str().is_some_and(|t| t.ends_with('Z')));
    }

    #[test]
    fn no_key_stands_twice_in_a_json_line() {
        let text = logged(LogFormat::Json, "info", || {
            let outer =
                tracing::info_span!("outer", task = 1, turn = 1, late = tracing::field::Empty);
            outer.record("late", 1);
            let _outer = outer.entered();
            let _inner = tracing::info_span!("inner", task = 2, name = "x", level = "y").entered();
            tracing::info!(task = 3, target = "t", level = 5, message = "m");
        });
        for (key, value) in [
            ("task", "3"),
            ("turn", "1"),
            ("late", "1"),
            ("level", "\"INFO\""),
            ("target", "\"shared::"),
            ("message", "\"m\""),
            ("name", "\"x\""),
        ] {
            assert_eq!(text.matches(&format!("\"{key}\":")).count(), 1, "{text}");
            assert!(
                text.contains(&format!("\"{key}\":{value}")),
                "{key}: {text}"
            );
        }
        assert!(
            text.starts_with("{\"timestamp\":\"") && text.ends_with("}\n"),
            "{text}"
        );
    }

    #[test]
    fn a_field_has_a_bound_whoever_chose_it() {
        let long = "é".repeat(100_000);
        let text = logged(LogFormat::Json, "info", || {
            tracing::info!(long, shown = %long, "{long}");
        });
        assert!(text.len() < 10_000, "{}", text.len());
        assert_eq!(text.matches("… (cut, 200000 bytes)").count(), 3, "{text}");
    }

    #[test]
    fn what_tells_secrets_is_never_logged() {
        for format in [LogFormat::Json, LogFormat::Pretty] {
            let text = logged(format, "trace,lapin=trace", || {
                tracing::trace!(target: "lapin::channels", "hunter2");
                tracing::debug!(target: "lapin::channels", "this");
                tracing::trace!(target: "hyper", "that");
            });
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("this") && text.contains("that"), "{text}");
        }
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
