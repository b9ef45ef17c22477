//! Logs and figures.
//!
//! | file | what it holds |
//! |---|---|
//! | [`logs`] | log lines, on stderr |
//! | [`figures`] | counters, gauges and histograms for `GET /metrics` |

pub mod figures;
pub mod logs;

pub use figures::{Figure, Figures};
pub use logs::init;
