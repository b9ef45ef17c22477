//! What a message makes happen: submit, poll, and the sweep. Talks to upstreams; serves no clients.
//!
//! The order of work is always: look at the turn in the database (a submit, which must not happen
//! twice, claims it), call the upstream outside any transaction, write the outcome in one transaction,
//! publish what comes next, acknowledge. Whoever dies on the way leaves a message that is delivered
//! again, or a task whose `due_at` passes, and the sweep finds it.
//!
//! | module | what it does |
//! |---|---|
//! | [`run`](mod@run) | starts and stops the parts of a worker |
//! | [`context`] | what these parts share |
//! | [`submit`] | submits one task for one message |
//! | [`poll`] | merges messages into batches, and polls one batch |
//! | [`maintenance`] | the sweep, and results that come after the deadline |
//! | [`schedule`] | publishes what follows in batches, then acknowledges |
//! | [`channels`] | which channels there are, how much each may carry, and which one to take |
//! | [`upstream`] | what every upstream can do, and one folder for each platform |
//! | [`together`] | batches the same work of many callers |
//! | [`FIGURES`] | what a worker counts |
//! | [`health`] | `/healthz`, `/readyz`, `/metrics` |

pub mod channels;
pub mod context;
mod figures;
pub mod health;
pub mod maintenance;
pub mod poll;
pub mod run;
pub mod schedule;
pub mod submit;
pub mod together;
pub mod upstream;

pub use context::Settings;
pub use figures::FIGURES;
pub use run::Worker;
