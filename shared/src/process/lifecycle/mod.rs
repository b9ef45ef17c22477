//! Stop requests, stop signals, and the components of a process.
//!
//! | file | what it holds |
//! |---|---|
//! | [`stop`] | the stop request that every long-lived part watches |
//! | [`signals`] | SIGTERM and SIGINT request a stop; a second signal exits at once; SIGHUP ends nothing |
//! | [`components`] | the components of a process; one that ends too early stops the process |

pub mod components;
pub mod signals;
pub mod stop;

pub use components::{ComponentDied, Components, rethrow};
pub use signals::stop_on_signals;
pub use stop::Stop;
