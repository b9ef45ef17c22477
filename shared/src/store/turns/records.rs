//! What workers read from the Store about unfinished tasks, and what they write. `at` is a task at its turn;
//! `due_at` is when its next step is due.

#![allow(missing_docs, reason = "names explain the rest")]

use std::time::Duration;

use crate::clock::Millis;
use crate::task::claims::Trial;
use crate::task::history::{self, Event};
use crate::task::{
    Action, AtTurn, ChannelId, End, KeyId, Platform, Progress, Quota, RowId, Status, TaskId, UserId,
};

/// A task to submit.
#[derive(Debug, Clone)]
pub struct SubmitJob {
    pub at: AtTurn,
    pub task_id: TaskId,
    pub user: UserId,
    pub platform: Platform,
    pub action: Action,
    /// The request for the upstream: JSON.
    pub request: String,
    /// For a continuation: the only channel that can serve it.
    pub pinned: Option<ChannelId>,
    /// How many counted submits surely did not arrive.
    pub attempts: u32,
    pub last_channel: Option<ChannelId>,
    pub sending: Sending,
    pub due_at: Millis,
    pub deadline: Millis,
    /// What an upstream said last of the task, in words for its user.
    pub last_heard: Option<String>,
}

/// Whether the request of a task to submit may have arrived already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// It was not sent, or it surely did not arrive.
    NotSent,
    /// An intention is recorded without an outcome: a worker is sending the request, or died meanwhile.
    Orphaned { sent_to: Option<i64> },
    /// The outcome is unknown, and the channel `last_channel` takes the same request again.
    Again { sent_to: i64 },
}

impl Sending {
    /// Whether an earlier request may have arrived.
    pub fn may_have_arrived(self) -> bool {
        self != Self::NotSent
    }

    /// The digest of the address and key ([`super::super::channels::Channel::address_digest`]) that the
    /// request was sent with. `None`: it was not sent, or by a program of the version before.
    pub fn sent_to(self) -> Option<i64> {
        match self {
            Self::NotSent => None,
            Self::Orphaned { sent_to } => sent_to,
            Self::Again { sent_to } => Some(sent_to),
        }
    }
}

/// An intention to submit a task.
#[derive(Debug, Clone, Copy)]
pub struct Intention {
    pub at: AtTurn,
    pub channel: ChannelId,
    /// See [`Sending::sent_to`].
    pub sent_to: i64,
    /// A random number. It identifies a caller that lost the answer and calls again.
    pub claim: i64,
    /// The task's deadline from now on, if it waited: it counts from the sending.
    pub deadline: Millis,
}

/// An intention that is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// The task at the turn that its outcome must name.
    pub at: AtTurn,
    /// See [`Intention::claim`].
    pub claim: i64,
    /// What the submit finds out about its channel.
    pub trial: Trial,
}

/// A submit that is to be tried again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// The task at the turn of [`Begun`].
    pub at: AtTurn,
    /// Whether the attempt counts: a 429 is none.
    pub counted: bool,
    /// Whether the request may have arrived. Then only the same channel may get it again.
    pub may_have_arrived: bool,
    /// For the history.
    pub reason: String,
    /// What the upstream said, in words for the task's user; `None`: nothing.
    pub heard: Option<String>,
    pub due_at: Millis,
}

impl Retry {
    /// What the history calls it.
    pub(in crate::store) fn event(&self) -> Event {
        if self.may_have_arrived {
            history::UNKNOWN
        } else {
            history::NOT_ARRIVED
        }
    }
}

/// A task that an upstream accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The task at the turn of [`Begun`].
    pub at: AtTurn,
    pub channel: ChannelId,
    pub upstream_id: String,
    pub due_at: Millis,
}

/// A task to poll.
#[derive(Debug, Clone)]
pub struct PollJob {
    pub at: AtTurn,
    pub task_id: TaskId,
    pub action: Action,
    pub upstream_id: String,
    pub status: Status,
    pub progress: Progress,
    /// The digest of the last observation; 0 if there is none.
    pub digest: i64,
    /// How many polls were answered.
    pub polls: u32,
    /// How many answers in a row left the task out.
    pub missing: u32,
    pub due_at: Millis,
    pub deadline: Millis,
    /// When the upstream accepted the task, by our clock.
    pub accepted_at: Option<Millis>,
}

impl PollJob {
    /// How long the task has been at the upstream; `timeout`: `TASK_TIMEOUT`.
    pub fn age(&self, timeout: Duration, now: Millis) -> Duration {
        // A program of a version before did not note it, but the deadline counts from the sending.
        let accepted_at = self.accepted_at.unwrap_or(self.deadline.before(timeout));
        now.since(accepted_at)
    }
}

/// A polled task that stays unfinished.
#[derive(Debug, Clone)]
pub struct Polled {
    /// The task at the turn of its poll.
    pub at: AtTurn,
    pub due_at: Millis,
    /// See [`PollJob::polls`].
    pub polls: u32,
    /// See [`PollJob::missing`].
    pub missing: u32,
    /// What the poll changed. `None`: only the narrow table is written.
    pub update: Option<TaskUpdate>,
}

/// What a poll changed in an unfinished task.
#[derive(Debug, Clone)]
pub struct TaskUpdate {
    pub status: Status,
    pub progress: Progress,
    /// The result so far: JSON.
    pub data: Option<String>,
    pub digest: i64,
}

/// A task that ends.
#[derive(Debug, Clone)]
pub struct Finished {
    pub at: AtTurn,
    pub end: End,
    /// The result, or the part of it that there is: JSON.
    pub data: Option<String>,
}

/// A task that has ended now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub row: RowId,
    pub user: UserId,
    pub key: KeyId,
    pub action: Action,
    /// The upstream's name of the task, if one accepted the task.
    pub upstream_id: Option<String>,
    /// The channel that had the task, or refused it for good.
    pub channel: Option<ChannelId>,
    /// When the task was submitted, in Unix seconds.
    pub submitted: i64,
    pub price: Quota,
}

/// What [`super::Store::settle`] changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The tasks that stay unfinished, at their next turn, in no order.
    pub waiting: Vec<AtTurn>,
    pub finished: Vec<Ended>,
}

impl Settled {
    /// The rows of the tasks that ended.
    pub fn finished_rows(&self) -> Vec<RowId> {
        self.finished.iter().map(|ended| ended.row).collect()
    }
}

/// An overdue task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    pub at: AtTurn,
    /// The channel to poll; `None` if the task is to be submitted.
    pub poll_at: Option<ChannelId>,
    pub due_at: Millis,
}

/// A task that was given up while its upstream still had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateTask {
    pub row: RowId,
    /// The channel that has the task.
    pub channel: ChannelId,
    pub task_id: TaskId,
    pub action: Action,
    pub upstream_id: String,
}
