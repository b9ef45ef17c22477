//! What a message makes happen: submit, poll, and the sweep. Talks to upstreams; serves no clients.
//!
//! The order of work is always: look at the turn in the database (a submit, which must not happen
//! twice, claims it), call the upstream outside any transaction, write the outcome in one transaction,
//! publish what comes next, acknowledge. Whoever dies on the way leaves a message that is delivered
//! again, or a task whose `due_at` passes, and the sweep finds it.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`](mod@run) | the parts of a worker, started and stopped |
//! | [`context`] | what they share |
//! | [`submit`] | one message, one submit |
//! | [`poll`] | one batch, one poll |
//! | [`ask`](mod@ask) | asking a channel about tasks of ours |
//! | [`merge`] | messages of one channel into batches of up to a hundred |
//! | [`sweep`], [`late`] | what was forgotten on the way; what came after all |
//! | [`together`] | the same work of many callers as one |
//! | [`schedule`] | what comes next, published in batches, then acknowledged |
//! | [`channels`], [`choose`] | which channels there are, their room, and which one to take |
//! | [`platform`] | what every upstream can do |
//! | [`suno`] | the Suno dialect |
//! | [`FIGURES`] | what is counted |
//! | [`health`] | `/healthz`, `/readyz`, `/metrics` |

pub mod ask;
pub mod channels;
pub mod choose;
pub mod context;
mod figures;
pub mod health;
pub mod late;
pub mod merge;
pub mod platform;
pub mod poll;
pub mod run;
pub mod schedule;
pub mod submit;
pub mod suno;
pub mod sweep;
pub mod together;

pub use context::Settings;
pub use figures::FIGURES;
pub use run::Worker;
