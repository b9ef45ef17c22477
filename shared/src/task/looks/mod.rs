//! When a task at an upstream is looked at next.
//!
//! | file | what it holds |
//! |---|---|
//! | [`durations`] | how long tasks take, as it is learnt of each channel and action |
//! | [`chances`] | when a task ends, by what was learnt and a guess |
//! | [`plan`] | the gap between two looks, by a task's age and by how many looks a channel allows |
//! | [`bound`] | how many calls a second a channel gets, over all workers together |
//!
//! Lateness, the time from a task's end to the look that sees the end, is what people feel, and looks are what a channel
//! bounds. If a task of this age ends with chance `h` in the next second, a gap of `d` seconds costs `h·d²/2` seconds of
//! lateness. So all looks are worth the same if each gap costs the same, the *price*: gaps are short where ends are
//! likely, and long where they are not. The price is what makes the looks as many as the channel allows.

pub mod bound;
pub mod chances;
pub mod durations;
pub mod plan;
#[cfg(test)]
mod simulation;
