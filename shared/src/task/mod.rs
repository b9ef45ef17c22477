//! The task model. Plain functions and types: no database, no broker, no HTTP, no clock.
//!
//! | file | what it holds |
//! |---|---|
//! | [`id`] | the types of the numbers and names that must not be mixed up |
//! | [`platform`] | platforms and actions, and what a task costs by default |
//! | [`status`] | the seven statuses and the table of transitions |
//! | [`progress`] | from what the upstream says to a percentage that never falls |
//! | [`step`] | from what the upstream says to what becomes of the task |
//! | [`money`] | quota; what a charge and a refund change |
//! | [`wait`] | the ladder of delays; when a task is looked at next |
//! | [`scrub`] | our secrets kept out of what upstreams say |

pub mod id;
pub mod money;
pub mod platform;
pub mod progress;
pub mod scrub;
pub mod status;
pub mod step;
pub mod wait;

#[cfg(test)]
mod properties;

pub use id::{ChannelId, KeyId, RowId, TaskId, Turn, UserId};
pub use money::Quota;
pub use platform::{Action, Platform};
pub use progress::Progress;
pub use status::Status;
