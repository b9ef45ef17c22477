//! What must hold of everything that we read from others, whatever it is. Each claim takes any bytes
//! and panics where it does not hold.
//!
//! | file | what is read |
//! |---|---|
//! | [`upstream`] | answers of upstreams: tasks, names, `Retry-After` |
//! | [`queue`] | messages |
//! | [`client`] | query strings and bodies |
//! | [`secrets`] | nothing is read; what is hidden stays hidden |
//!
//! cargo-fuzz tries them for as long as you like, `tests/seeds.rs` for a second (`docs/testing.md`).

mod client;
mod queue;
mod secrets;
mod upstream;

pub use client::{body, query};
pub use queue::message;
pub use secrets::scrub;
pub use upstream::{fetch_answer, retry_after, submit_answer};

/// A claim.
pub type Claim = fn(&[u8]);

/// Every claim, by the name of its fuzz target and of its folder of seeds.
pub const ALL: [(&str, Claim); 7] = [
    ("message", message),
    ("fetch_answer", fetch_answer),
    ("submit_answer", submit_answer),
    ("retry_after", retry_after),
    ("scrub", scrub),
    ("query", query),
    ("body", body),
];
