//! The same work without our programs, as the measure to compare them with.

pub mod broker;
pub mod one_by_one;
pub mod store;
