//! The task model: plain functions and types, without a database, a broker, HTTP or a clock.
//!
//! | file | what it holds |
//! |---|---|
//! | [`id`] | the types of the numbers and names that must not be mixed up |
//! | [`turn`] | turns, by which of two deliveries of a message one acts |
//! | [`platform`] | platforms and actions, and what a task costs by default |
//! | [`actions`] | which actions a channel serves |
//! | [`status`] | the seven statuses and the table of transitions |
//! | [`progress`] | from the upstream's answer to a percentage that never falls |
//! | [`clips`] | the clips of a result, by their ids |
//! | [`step`] | from the upstream's answer to what becomes of the task |
//! | [`end`] | how a task ends |
//! | [`money`] | quota; what a charge and a refund change, and for whom |
//! | [`history`] | what the history of a task says |
//! | [`wait`] | the ladder of delays; when a task is polled or tried next |
//! | [`looks`] | when a task at an upstream is looked at next |
//! | [`late`] | when a task that was given up is looked at again |
//! | [`cool_down`] | how long a channel in trouble is left alone |
//! | [`recent`] | whether a channel is in trouble, by how submits ended of late |
//! | [`ceiling`] | how many tasks a channel takes at once, learnt from its 429s |
//! | [`pace`] | how many submits a minute a channel gets |
//! | [`claims`] | which tasks may be sent now, by the limits of users, keys and channels |
//! | [`scrub`] | our secrets kept out of upstreams' texts |

pub mod actions;
pub mod ceiling;
pub mod claims;
pub mod clips;
pub mod cool_down;
pub mod end;
pub mod history;
pub mod id;
pub mod inputs;
pub mod late;
pub mod looks;
pub mod money;
pub mod pace;
pub mod platform;
pub mod progress;
pub mod recent;
pub mod scrub;
pub mod status;
pub mod step;
pub mod turn;
pub mod wait;

#[cfg(test)]
mod properties;

pub use actions::Actions;
pub use end::End;
pub use id::{ChannelId, KeyId, RowId, TaskId, UserId};
pub use money::Quota;
pub use platform::{Action, Dialect, Platform};
pub use progress::Progress;
pub use status::Status;
pub use turn::{AtTurn, Turn};
