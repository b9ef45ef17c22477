//! What tests can read and change, beside the dialect.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    State, Upstream,
    submit::{RecordedSubmit, Title},
};
use crate::{id::Id, life::Phase, places::owners, random, task::Task};

/// The most tasks or submits in a list.
const LISTED: usize = 100;

/// Selects the tasks that meet every given condition; without a condition, all tasks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// The title (lyrics: the prompt).
    pub title: Option<String>,
    pub task_ids: Option<Vec<Id>>,
}

/// A task in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    task_id: Id,
    title: Box<str>,
    action: &'static str,
    status: &'static str,
    progress: String,
    /// How often the task was fetched.
    asked: u32,
}

/// How a wish to cancel a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The task was in the queue, and fails.
    Stopped,
    /// The task is being made, and goes on.
    GoesOn,
    /// The task has ended.
    TooLate,
    /// There is no such task.
    Unknown,
}

/// When a task was made, and for whom.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    task_id: Id,
    /// When the task was accepted, ms since 1970.
    from: u64,
    /// When it ended or will end; null if it has no end of its own.
    to: Option<u64>,
    owners: Vec<String>,
}

impl Upstream {
    /// When each task that the upstream knows was made.
    pub fn made(&self) -> Vec<Made> {
        let state = self.state();
        let made = state.tasks.iter().map(|(&task_id, task)| {
            let (from, to) = task.life.span();
            let owners = owners(&task.texts.prompt).map(str::to_owned).collect();
            Made {
                task_id,
                from,
                to,
                owners,
            }
        });
        made.collect()
    }

    /// Ends these tasks now; returns how many had not ended yet. `fail` makes all fail, not only those planned to.
    pub fn finish(&self, selector: &Selector, fail: bool) -> usize {
        let now = self.clock.now();
        let mut state = self.state();
        let State { tasks, places, .. } = &mut *state;
        let marker = selector.marker();
        let mut ended = 0;
        for (id, task) in tasks {
            if selector.takes(marker, *id, task) && task.life.finish(now, fail) {
                places.free(*id, now);
                ended += 1;
            }
        }
        drop(state);
        self.ended.notify_waiters();
        ended
    }

    /// Stops a task that is still in the queue.
    pub fn cancel(&self, id: &str) -> Cancelled {
        let now = self.clock.now();
        let mut state = self.state();
        let State { tasks, places, .. } = &mut *state;
        let id: Option<Id> = id.parse().ok();
        let Some((id, task)) = id.and_then(|id| Some((id, tasks.get_mut(&id)?))) else {
            return Cancelled::Unknown;
        };
        match task.life.at(now).phase {
            Phase::NotStart | Phase::Submitted | Phase::Queued => {
                task.life.finish(now, true);
                task.cancelled = true;
                places.free(id, now);
                drop(state);
                self.ended.notify_waiters();
                Cancelled::Stopped
            }
            Phase::Composing | Phase::Streaming => Cancelled::GoesOn,
            Phase::Success | Phase::Failure => Cancelled::TooLate,
        }
    }

    /// Forgets these tasks; returns how many. The counters stay.
    pub fn forget(&self, selector: &Selector) -> usize {
        let now = self.clock.now();
        let marker = selector.marker();
        let mut state = self.state();
        let State { tasks, places, .. } = &mut *state;
        let before = tasks.len();
        tasks.retain(|id, task| {
            let goes = selector.takes(marker, *id, task);
            if goes {
                places.free(*id, now);
            }
            !goes
        });
        let forgotten = before - tasks.len();
        drop(state);
        self.ended.notify_waiters();
        forgotten
    }

    /// The first hundred of these tasks, in the order of submits.
    pub fn tasks(&self, selector: &Selector) -> Vec<Listed> {
        let now = self.clock.now();
        let marker = selector.marker();
        let state = self.state();
        let tasks = state.tasks.iter();
        let mut found: Vec<_> = tasks
            .filter(|&(id, task)| selector.takes(marker, *id, task))
            .collect();
        found.sort_unstable_by_key(|(_, task)| task.number);
        let found = found.into_iter().take(LISTED);
        found.map(|(id, task)| Listed::of(*id, task, now)).collect()
    }

    /// How often this title was submitted.
    pub fn title(&self, title: &str) -> Title {
        let digest = random::digest(title);
        self.state()
            .titles
            .get(&digest)
            .copied()
            .unwrap_or_default()
    }

    /// The latest hundred recorded submits of a title, or of all; the newest first.
    pub fn latest_submits(&self, title: Option<&str>) -> Vec<RecordedSubmit> {
        let marker = title.map(random::digest);
        let state = self.state();
        let latest = state.latest.iter().rev();
        let wanted = latest.filter(|submit| marker.is_none_or(|marker| submit.marker == marker));
        wanted.take(LISTED).cloned().collect()
    }

    /// Waits until the task has ended or was forgotten.
    pub async fn wait_for_end(&self, id: Id) {
        loop {
            let notified = self.ended.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let left = match self.state().tasks.get(&id) {
                None => return,
                Some(task) => task.life.left(self.clock.now()),
            };
            match left {
                Some(Duration::ZERO) => return,
                Some(left) => drop(tokio::time::timeout(left, notified).await),
                None => notified.await,
            }
        }
    }
}

impl Selector {
    fn marker(&self) -> Option<u64> {
        self.title.as_deref().map(random::digest)
    }

    fn takes(&self, marker: Option<u64>, id: Id, task: &Task) -> bool {
        marker.is_none_or(|marker| task.marker == marker)
            && self.task_ids.as_ref().is_none_or(|ids| ids.contains(&id))
    }
}

impl Listed {
    fn of(id: Id, task: &Task, now: u64) -> Self {
        let moment = task.life.at(now);
        Self {
            task_id: id,
            title: task.texts.title.clone(),
            action: task.texts.action.name(),
            status: moment.phase.status(),
            progress: format!("{}%", moment.percent),
            asked: task.asked,
        }
    }
}
