//! A log line as one JSON object.
//!
//! All fields stand on one level, each key once: `timestamp`, `level`, `target`, `message`, the event's fields,
//! and those of the spans around it. Where two have the same key, the event wins, then the innermost span.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::cut;
use super::logs::now;

/// The most bytes of a field: a line has a bound, whoever the words in it come from. A backtrace is longer.
const MOST_BYTES: usize = 2_000;
const BACKTRACE_BYTES: usize = 32_000;

/// The keys of every line, in their order. A field of the same name would stand there twice.
const EVERY_LINE: [&str; 4] = ["timestamp", "level", "target", "message"];

/// Writes events as JSON lines.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let message = fields.remove("message").unwrap_or_else(|| "".into());
        // From the innermost span outwards.
        for span in context.lookup_current().iter().flat_map(SpanRef::scope) {
            let extensions = span.extensions();
            let Some(of_span) = extensions.get::<FormattedFields<N>>() else {
                continue;
            };
            let of_span: Map<String, Value> =
                serde_json::from_str(&of_span.fields).unwrap_or_default();
            for (key, value) in of_span {
                fields.entry(key).or_insert(value);
            }
        }
        let metadata = event.metadata();
        let every_line = [
            now().into(),
            metadata.level().as_str().into(),
            metadata.target().into(),
            message,
        ];
        writer.write_char('{')?;
        for (key, value) in EVERY_LINE.iter().zip(&every_line) {
            let comma = if *key == EVERY_LINE[0] { "" } else { "," };
            write!(writer, "{comma}\"{key}\":{value}")?;
        }
        for (key, value) in &fields {
            if !EVERY_LINE.contains(&key.as_str()) {
                write!(writer, ",{}:{value}", Value::from(key.as_str()))?;
            }
        }
        writer.write_str("}\n")
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        let most = match field.name() {
            "backtrace" => BACKTRACE_BYTES,
            _ => MOST_BYTES,
        };
        self.add(field, cut(text, most));
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add_text(field, &format!("{value:?}"));
    }
}
