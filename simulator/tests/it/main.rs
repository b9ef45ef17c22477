//! Tests of the simulator over real connections.

mod batches;
mod control;
mod dialect;
mod directives;
mod fal;
mod fetch_faults;
mod fetch_limits;
mod mureka;
mod places;
mod process;
mod seen;
mod submit_faults;
mod upstream;
