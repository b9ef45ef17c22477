//! The calls of vendors that are followed, each in the background: a caller may hang up at any time.
//!
//! However often a vendor calls, its calls bring at most one look in [`PAUSE`]. If a look is under way when a call comes,
//! another look follows: the first look may have begun before there was something new.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::broker::Message;
use shared::hook::Hook;
use shared::store::hooks::EarlyLook;
use shared::task::TaskId;

use crate::error::ApiError;
use crate::state::App;

/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a call is followed again while its task is sent or looked at: for half a minute, as long as a fetch
/// usually may take.
const TRIES: u32 = 15;

/// The most tasks whose calls are followed at the same time.
const MOST: usize = 10_000;

/// The tasks whose vendors called a moment ago, and whether the vendor called again since. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<HashMap<TaskId, bool>>>);

impl Calls {
    /// Follows a call. An error if too many are followed.
    pub(super) fn follow(&self, app: &App, hook: Hook) -> Result<(), ApiError> {
        let mut all = self.all();
        let room = all.len() < MOST;
        match all.entry(hook.task.clone()) {
            Entry::Occupied(mut known) => {
                known.insert(true);
            }
            Entry::Vacant(free) if room => {
                free.insert(false);
                tokio::spawn(follow(self.clone(), App::clone(app), hook));
            }
            Entry::Vacant(_) => return Err(ApiError::Busy),
        }
        Ok(())
    }

    /// Whether the task's vendor called again. If not, and the last look is `done`, the task is forgotten.
    fn called_again(&self, task: &TaskId, done: bool) -> bool {
        let mut all = self.all();
        let again = all.insert(task.clone(), false) == Some(true);
        if !again && done {
            all.remove(task);
        }
        again
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TaskId, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow(calls: Calls, app: App, hook: Hook) {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let is_under_way = match app.store.look_early(&hook, app.clock.now()).await {
            Ok(EarlyLook::Due(at)) => {
                tracing::debug!(row = at.row.0, "a vendor called");
                let (channel, tasks) = (hook.channel, vec![at]);
                app.publisher.publish(Message::Poll { channel, tasks });
                false
            }
            Ok(EarlyLook::UnderWay) => true,
            Ok(EarlyLook::Nothing) => false,
            Err(error) => {
                tracing::warn!(%error, task = %hook.task, "a vendor's call could not be followed yet");
                true
            }
        };
        tokio::time::sleep(PAUSE).await;
        let done = !is_under_way || tries == 0;
        if calls.called_again(&hook.task, done) {
            tries = TRIES;
        } else if done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::random::Random;

    use super::*;

    #[test]
    fn a_task_is_forgotten_once_nobody_calls_and_its_look_is_done() {
        let calls = Calls::default();
        let task = TaskId::random(&Random::seeded(1));
        calls.all().insert(task.clone(), true);
        assert!(calls.called_again(&task, true));
        assert!(!calls.called_again(&task, false));
        assert_eq!(calls.all().len(), 1);
        assert!(!calls.called_again(&task, true));
        assert_eq!(calls.all().len(), 0);
    }
}
