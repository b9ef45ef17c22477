//! What the servers and libraries reach by themselves, for the same work.

pub mod broker;
pub mod one_by_one;
pub mod store;
