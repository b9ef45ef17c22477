//! When a task at an upstream is looked at next.
//!
//! | file | what it holds |
//! |---|---|
//! | [`durations`] | how long tasks take, as it is learnt of each channel and action |
//! | [`chances`] | when a task ends, by what was learnt and a guess |
//! | [`plan`] | the gap between two looks, by a task's age and by how many looks a channel allows |
//! | [`bound`] | how many calls a second a channel gets, over all workers together |
//!
//! Lateness is the time from a task's end to the look that sees the end. People feel lateness, and a channel bounds the
//! looks. A look has a *price*, in seconds of lateness. The plan chooses the gaps for which the lateness of a task and
//! the price of its looks are together the least: gaps are short where ends are likely, and long where they are not. The
//! higher the price, the fewer the looks; the plan takes the price at which the looks are as many as the channel allows.

pub mod bound;
pub mod chances;
pub mod durations;
pub mod plan;
#[cfg(test)]
mod simulation;
