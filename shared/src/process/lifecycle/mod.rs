//! Start, stop, and a component that dies (`design.md`, Processes).
//!
//! | file | what it holds |
//! |---|---|
//! | [`stop`] | the wish to stop, that everything long-lived watches |
//! | [`signals`] | SIGTERM and SIGINT make that wish; a second one exits at once |
//! | [`components`] | the parts of a process: one that ends too early takes it down |

pub mod components;
pub mod signals;
pub mod stop;

pub use components::{ComponentDied, Components, rethrow};
pub use signals::stop_on_signals;
pub use stop::Stop;
