//! Logs and figures.
//!
//! | file | what it holds |
//! |---|---|
//! | [`logs`] | log lines, on stderr |
//! | `json` | a log line as one JSON object |
//! | [`figures`] | counters, gauges and histograms for `GET /metrics` |

use std::borrow::Cow;

pub mod figures;
mod json;
pub mod logs;

pub use figures::{Figure, Figures};
pub use logs::init;

/// The first `most` bytes of a text that somebody else chose, for a log line. A text that is cut says so, and how
/// long it was.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let end = text.floor_char_boundary(most);
    format!("{}… (cut, {} bytes)", &text[..end], text.len()).into()
}
