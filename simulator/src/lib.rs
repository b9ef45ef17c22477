#![doc = include_str!("../README.md")]

mod answer;
mod call_back;
mod clock;
mod connection;
mod counts;
mod dialects;
mod directives;
mod fault;
mod faults;
mod fetches;
mod id;
mod life;
mod lognormal;
mod options;
mod places;
mod random;
mod rate;
mod request;
mod routes;
mod secrets;
mod server;
mod span;
mod task;
mod upstream;

pub use self::{
    counts::{Counts, Fetches, Submits},
    dialects::dialects,
    fault::{Fault, Kind},
    faults::Faults,
    options::{Key, Options},
    rate::Rate,
    server::{Simulator, start},
    span::Span,
};
