#![doc = include_str!("../README.md")]

mod answer;
mod chance;
mod clock;
mod connection;
mod counts;
mod dialect;
mod fault;
mod faults;
mod id;
mod life;
mod options;
mod rate;
mod request;
mod routes;
mod secrets;
mod server;
mod span;
mod task;
mod upstream;
mod words;

pub use self::{
    counts::{Counts, Fetches, Submits},
    fault::{Fault, Kind, NoSuchFault},
    faults::Faults,
    options::{Key, Options},
    rate::{NotARate, Rate},
    server::{Simulator, start},
    span::Span,
};
