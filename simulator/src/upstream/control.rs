//! What tests may look at and change, beside the dialect.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{State, Upstream, submit::Seen, titles::Title};
use crate::{chance, id::Id, task::Task};

/// The most tasks and submits that are listed at once.
const LISTED: usize = 100;

/// Which tasks are meant: those that are all that is said, so all of them if nothing is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// Submitted with this title (lyrics: this prompt).
    pub title: Option<String>,
    /// With one of these upstream ids.
    pub task_ids: Option<Vec<Id>>,
}

/// One task, for a test to look at.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    task_id: Id,
    title: Box<str>,
    action: &'static str,
    status: &'static str,
    progress: String,
    /// How often it was asked for.
    asked: u32,
}

impl Upstream {
    /// Ends these tasks now, and says how many had not ended yet. Those planned to fail do; `fail` makes all fail.
    pub fn finish(&self, selector: &Selector, fail: bool) -> usize {
        let now = self.clock.now();
        let mut state = self.state();
        let ended = state
            .select_mut(selector)
            .filter_map(|task| task.life.finish(now, fail).then_some(()))
            .count();
        drop(state);
        self.ended.notify_waiters();
        ended
    }

    /// Forgets these tasks, as if they had never been submitted, and says how many. What was counted stays counted.
    pub fn forget(&self, selector: &Selector) -> usize {
        let marker = selector.marker();
        let mut state = self.state();
        let before = state.tasks.len();
        state
            .tasks
            .retain(|id, task| !selector.takes(marker, *id, task));
        let forgotten = before - state.tasks.len();
        drop(state);
        self.ended.notify_waiters();
        forgotten
    }

    /// The first hundred of these tasks, in the order of their submits.
    pub fn tasks(&self, selector: &Selector) -> Vec<Listed> {
        let now = self.clock.now();
        let marker = selector.marker();
        let state = self.state();
        let mut found: Vec<_> = state
            .tasks
            .iter()
            .filter(|&(id, task)| selector.takes(marker, *id, task))
            .collect();
        found.sort_unstable_by_key(|(_, task)| task.number);
        found
            .into_iter()
            .take(LISTED)
            .map(|(id, task)| Listed::of(*id, task, now))
            .collect()
    }

    /// How often this title was submitted.
    pub fn title(&self, title: &str) -> Title {
        self.state().titles.of(chance::digest(title))
    }

    /// The latest submits that are remembered, at most a hundred, the newest first; of one title, or of all.
    pub fn seen(&self, title: Option<&str>) -> Vec<Seen> {
        let marker = title.map(chance::digest);
        let state = self.state();
        let wanted = state
            .seen
            .iter()
            .rev()
            .filter(|seen| marker.is_none_or(|marker| seen.marker == marker));
        wanted.take(LISTED).cloned().collect()
    }

    /// Waits until this task has ended, by itself, by hand, or by being forgotten.
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

impl State {
    fn select_mut<'a>(&'a mut self, selector: &'a Selector) -> impl Iterator<Item = &'a mut Task> {
        let marker = selector.marker();
        self.tasks
            .iter_mut()
            .filter(move |(id, task)| selector.takes(marker, **id, task))
            .map(|(_, task)| task)
    }
}

impl Selector {
    fn marker(&self) -> Option<u64> {
        self.title.as_deref().map(chance::digest)
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
            asked: task.asked(),
        }
    }
}
