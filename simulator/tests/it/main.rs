//! The simulator from outside, over real connections.

mod batches;
mod control;
mod dialect;
mod fetch_faults;
mod process;
mod seen;
mod submit_faults;
mod upstream;
mod words;
