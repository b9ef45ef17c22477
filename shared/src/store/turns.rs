//! What workers do: by turn; outcomes, the sweep.
//!
//! Every method that changes an unfinished task takes the turn its caller acts for, changes nothing
//! where the task is at another turn, and moves the turn on where it changes something (but for
//! [`Store::hold_polls`] and [`Store::sweep`], which only say when it is overdue). What comes
//! back names just the tasks that were changed; the others are stale, and their caller does nothing.
//! Of a task that is named at several turns in one list one counts: the one it is at.

use super::{Database, Result, Store};
use crate::clock::Millis;
use crate::task::{Action, ChannelId, Platform, Progress, RowId, Status, TaskId, Turn};

/// An unfinished task at one of its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtTurn {
    /// The task.
    pub row: RowId,
    /// The turn.
    pub turn: Turn,
}

/// A task that is to be submitted.
#[derive(Debug, Clone)]
pub struct SubmitJob {
    /// The task and the turn it is at.
    pub at: AtTurn,
    /// Its public name.
    pub task_id: TaskId,
    /// The platform.
    pub platform: Platform,
    /// The action.
    pub action: Action,
    /// The request for the upstream: JSON.
    pub request: String,
    /// For a continuation: the one channel that can serve it.
    pub pinned: Option<ChannelId>,
    /// How many submits surely did not arrive so far.
    pub attempts: u32,
    /// Whether the last of them was to this channel.
    pub last_channel: Option<ChannelId>,
    /// Whether an intention to submit stands recorded without an outcome: somebody sent it, or was
    /// about to, and died. It must not be sent again.
    pub intention: bool,
    /// When it was due.
    pub due_at: Millis,
    /// The deadline.
    pub deadline: Millis,
}

/// A task is about to be submitted.
#[derive(Debug, Clone, Copy)]
pub struct Intention {
    /// The task, at its turn.
    pub at: AtTurn,
    /// The channel that it is to be submitted to.
    pub channel: ChannelId,
    /// A random number by which a caller that lost the answer, and calls again, is known.
    pub claim: i64,
}

/// An intention that stands.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// The task, at the turn to act for.
    pub at: AtTurn,
    /// See [`Intention::claim`].
    pub claim: i64,
}

/// The upstream accepted a task.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The task, at the turn that [`Store::begin_submit`] gave.
    pub at: AtTurn,
    /// The channel that accepted it.
    pub channel: ChannelId,
    /// What the upstream calls it.
    pub upstream_id: String,
    /// When it is polled first.
    pub due_at: Millis,
}

/// A task that is to be polled.
#[derive(Debug, Clone)]
pub struct PollJob {
    /// The task, at its turn.
    pub at: AtTurn,
    /// Its public name.
    pub task_id: TaskId,
    /// What the upstream calls it.
    pub upstream_id: String,
    /// Its status.
    pub status: Status,
    /// Its progress.
    pub progress: Progress,
    /// The digest of the last observation, 0 if none.
    pub digest: i64,
    /// How many polls were answered so far.
    pub polls: u32,
    /// How many polls in a row the upstream left it out of.
    pub missing: u32,
    /// When it was due.
    pub due_at: Millis,
    /// The deadline.
    pub deadline: Millis,
}

/// A polled task that is still unfinished.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The task, at the turn that its poll was for.
    pub at: AtTurn,
    /// When it is polled next.
    pub due_at: Millis,
    /// See [`PollJob::polls`].
    pub polls: u32,
    /// See [`PollJob::missing`].
    pub missing: u32,
    /// What is new, if anything is. Without, only the narrow table is written.
    pub news: Option<News>,
}

/// What is new of an unfinished task.
#[derive(Debug, Clone)]
pub struct News {
    /// Its status now.
    pub status: Status,
    /// Its progress now.
    pub progress: Progress,
    /// The result so far: JSON.
    pub data: Option<String>,
    /// The digest of the observation.
    pub digest: i64,
}

/// How a task ends.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The task, at the turn that its caller acts for.
    pub at: AtTurn,
    /// The end.
    pub end: End,
    /// The result, or what there is of one: JSON.
    pub data: Option<String>,
}

/// The two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Made.
    Success,
    /// Not made: the price goes back in the same transaction.
    Failure {
        /// Why, fit to be shown to the client.
        reason: String,
        /// The channel that said so, for a task that no channel had accepted before.
        channel: Option<ChannelId>,
        /// Whether it was we who gave it up while its upstream may still make it: then
        /// [`Store::late_tasks`] will name it.
        given_up: bool,
    },
}

/// What an overdue task needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// The task and the turn it is at.
    pub at: AtTurn,
    /// The channel to poll it at; `None` if it was not accepted by any yet.
    pub poll_at: Option<ChannelId>,
    /// When it was due.
    pub due_at: Millis,
}

/// A task that was given up while its upstream still had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateTask {
    /// The task.
    pub row: RowId,
    /// The channel that has it.
    pub channel: ChannelId,
    /// Its public name.
    pub task_id: TaskId,
    /// What the upstream calls it.
    pub upstream_id: String,
}

impl Store {
    /// The tasks to submit: those that are neither stale nor past their submit.
    pub async fn submit_jobs(&self, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
        match &self.database {
            Database::Postgres(store) => store.submit_jobs(tasks).await,
            Database::Sqlite(store) => store.submit_jobs(tasks).await,
        }
    }

    /// The same of one task.
    pub async fn submit_job(&self, at: AtTurn) -> Result<Option<SubmitJob>> {
        Ok(self.submit_jobs(&[at]).await?.pop())
    }

    /// Records intentions to submit, before the calls; each in the history once. `lease_until` is when
    /// the sweep may look at the tasks again. Returns those that stand now, with the turns to act for:
    /// not those that are stale, nor those of which another's intention stands already. Of a task that
    /// is named with several claims one counts, and which is told by its claim.
    pub async fn begin_submits(
        &self,
        intentions: &[Intention],
        lease_until: Millis,
        now: Millis,
    ) -> Result<Vec<Begun>> {
        match &self.database {
            Database::Postgres(store) => store.begin_submits(intentions, lease_until, now).await,
            Database::Sqlite(store) => store.begin_submits(intentions, lease_until, now).await,
        }
    }

    /// The same of one task.
    pub async fn begin_submit(
        &self,
        at: AtTurn,
        channel: ChannelId,
        claim: i64,
        lease_until: Millis,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        let intention = Intention { at, channel, claim };
        let mut begun = self.begin_submits(&[intention], lease_until, now).await?;
        Ok(begun.pop().map(|begun| begun.at))
    }

    /// Puts unfinished tasks off until `due_at` without having asked anybody anything.
    pub async fn postpone(&self, tasks: &[AtTurn], due_at: Millis) -> Result<Vec<AtTurn>> {
        match &self.database {
            Database::Postgres(store) => store.postpone(tasks, due_at).await,
            Database::Sqlite(store) => store.postpone(tasks, due_at).await,
        }
    }

    /// A submit surely did not arrive: withdraws the intention, counts the attempt if `counted`
    /// (a 429 is no attempt), and notes `reason` in the history. `None` if stale.
    pub async fn retry_submit(
        &self,
        at: AtTurn,
        counted: bool,
        reason: &str,
        due_at: Millis,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        match &self.database {
            Database::Postgres(store) => store.retry_submit(at, counted, reason, due_at, now).await,
            Database::Sqlite(store) => store.retry_submit(at, counted, reason, due_at, now).await,
        }
    }

    /// Tasks were accepted: SUBMITTED, their channel's `used_quota` raised, in one transaction.
    pub async fn accept(&self, tasks: Vec<Accepted>, now: Millis) -> Result<Vec<AtTurn>> {
        match &self.database {
            Database::Postgres(store) => store.accept(tasks, now).await,
            Database::Sqlite(store) => store.accept(tasks, now).await,
        }
    }

    /// The tasks that `channel` has, for one poll. Only a look: the turn stays, so two who were given
    /// the same turn both get the task, and both may ask the upstream; [`Store::settle`] then takes
    /// what one of them was told.
    pub async fn poll_jobs(&self, channel: ChannelId, tasks: &[AtTurn]) -> Result<Vec<PollJob>> {
        match &self.database {
            Database::Postgres(store) => store.poll_jobs(channel, tasks).await,
            Database::Sqlite(store) => store.poll_jobs(channel, tasks).await,
        }
    }

    /// Leaves polled tasks alone until `until` at least: they are not overdue before. The turn stays.
    /// For a poll that takes long, so that nobody takes it for lost.
    pub async fn hold_polls(&self, tasks: &[AtTurn], until: Millis) -> Result<()> {
        match &self.database {
            Database::Postgres(store) => store.hold_polls(tasks, until).await,
            Database::Sqlite(store) => store.hold_polls(tasks, until).await,
        }
    }

    /// The outcome of a poll, in one transaction: those that wait on, and those that end. A FAILURE
    /// and its refund are written together. Returns those that wait on, in no order, and how many
    /// ended.
    pub async fn settle(
        &self,
        waiting: Vec<Waiting>,
        finished: Vec<Finished>,
        now: Millis,
    ) -> Result<Settled> {
        match &self.database {
            Database::Postgres(store) => store.settle(waiting, finished, now).await,
            Database::Sqlite(store) => store.settle(waiting, finished, now).await,
        }
    }

    /// Unfinished tasks that were due before `due_before`, at most `limit`, each given to one caller
    /// only; they are not overdue again before `lease_until`. Their turn stays: a message that is
    /// still on its way is as good as the one to be published now. Noted in the history, once a turn.
    pub async fn sweep(
        &self,
        due_before: Millis,
        lease_until: Millis,
        limit: u32,
        now: Millis,
    ) -> Result<Vec<Overdue>> {
        match &self.database {
            Database::Postgres(store) => store.sweep(due_before, lease_until, limit, now).await,
            Database::Sqlite(store) => store.sweep(due_before, lease_until, limit, now).await,
        }
    }

    /// Tasks given up at their deadline, due for a look whether the upstream made them after all:
    /// at most `limit`, each given to one caller only. Each has a few looks, minutes apart, and is
    /// forgotten after the last.
    pub async fn late_tasks(&self, now: Millis, limit: u32) -> Result<Vec<LateTask>> {
        match &self.database {
            Database::Postgres(store) => store.late_tasks(now, limit).await,
            Database::Sqlite(store) => store.late_tasks(now, limit).await,
        }
    }

    /// Notes in the history of a task that is FAILURE that its upstream ended it after all, as
    /// `status`; once. Money stays as settled. Returns the task's last turn; `None` if there was
    /// nothing to note.
    pub async fn note_late(
        &self,
        row: RowId,
        status: Status,
        data: Option<&str>,
        now: Millis,
    ) -> Result<Option<Turn>> {
        match &self.database {
            Database::Postgres(store) => store.note_late(row, status, data, now).await,
            Database::Sqlite(store) => store.note_late(row, status, data, now).await,
        }
    }
}

/// What [`Store::settle`] changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The tasks that wait on, at their next turn.
    pub waiting: Vec<AtTurn>,
    /// The tasks that ended.
    pub finished: Vec<RowId>,
}
