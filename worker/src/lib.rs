//! The worker: submits tasks to upstreams, polls them, and sweeps. It serves no clients.
//!
//! The order of work is always the same. A worker reads the task's turn in the database, and claims it
//! if it is a submit, which must not happen twice. It calls the upstream outside any transaction, writes
//! the outcome in one transaction, publishes the follow-up, and acknowledges. If a worker dies on the
//! way, its message is delivered again, or the task becomes overdue and the sweep finds it.
//!
//! | module | what it does |
//! |---|---|
//! | [`run`] | starts a worker as a component of a process, and stops its parts |
//! | [`context`] | what these parts share |
//! | [`submit`] | submits one task for one message |
//! | [`poll`] | merges messages into batches, and polls one batch |
//! | [`maintenance`] | the sweep, and results that come after the deadline |
//! | [`schedule`] | publishes what follows in batches, then acknowledges |
//! | [`channels`] | the channels, their slots, and the choice of one |
//! | `leases` | renews the intentions of this worker while it lives |
//! | [`rest`] | stops taking messages while this worker can call no channel |
//! | `ended` | settles a batch, and announces each task that ended in it |
//! | [`FIGURES`] | the metrics of a worker |
//! | [`health`] | `/healthz`, `/readyz`, `/metrics` |

pub mod channels;
pub mod context;
mod ended;
mod figures;
pub mod health;
mod leases;
pub mod maintenance;
pub mod poll;
pub mod rest;
pub mod run;
pub mod schedule;
pub mod submit;

pub use context::Settings;
pub use figures::FIGURES;
