//! What must hold after every step: the audit finds no break, no task goes backwards, and the Store holds
//! what the model holds.

use std::collections::BTreeMap;

use shared::store::listing::{Filter, TaskView};
use shared::task::{Progress, RowId, Status, UserId};

use super::oracle::{Oracle, Stage, Task};
use crate::database::ok;
use crate::world::World;

/// The last state of each task.
#[derive(Default)]
pub struct Watch {
    seen: BTreeMap<RowId, (TaskView, Option<i64>)>,
}

impl Watch {
    /// Checks everything.
    pub async fn look(&mut self, world: &World, oracle: &Oracle) {
        let audit = ok!(world.store.audit());
        assert_eq!(audit.breaks, Vec::<String>::new());
        let failures = |task: &&Task| task.status == Status::Failure;
        let entries = oracle.tasks.len() + oracle.tasks.iter().filter(failures).count();
        let entries = i64::try_from(entries).expect("there are few") + oracle.grants;
        assert_eq!((audit.tasks, audit.entries), (count(oracle), entries));
        accounts(world, oracle).await;
        self.tasks(world, oracle).await;
    }

    async fn tasks(&mut self, world: &World, oracle: &Oracle) {
        let page = world.store.list(Filter::default(), 0, 1_000).await;
        let page = page.expect("the listing reads");
        assert_eq!(page.total, count(oracle));
        assert_eq!(page.items.len(), oracle.tasks.len());
        let unfinished = oracle.tasks.iter().filter(|task| task.unfinished.is_some());
        let counted = ok!(world.store.unfinished());
        assert_eq!(usize::try_from(counted).ok(), Some(unfinished.count()));
        for view in page.items {
            let task = &oracle.tasks[oracle.task(view.id)];
            assert_same(&view, task, oracle);
            let turn = task.unfinished.as_ref().map(|task| task.turn);
            if let Some((before, before_turn)) = self.seen.get(&view.id)
                && (before, before_turn) != (&view, &turn)
            {
                assert_forward(before, &view);
                assert!(
                    turn.is_none() || turn >= *before_turn,
                    "{turn:?} of {view:?}"
                );
            }
            if self
                .seen
                .get(&view.id)
                .is_none_or(|(_, before)| *before != turn)
            {
                story(world, task).await;
            }
            self.seen.insert(view.id, (view, turn));
        }
    }
}

fn count(oracle: &Oracle) -> i64 {
    i64::try_from(oracle.tasks.len()).expect("there are few")
}

async fn accounts(world: &World, oracle: &Oracle) {
    let users = ok!(world.store.users());
    for known in &oracle.users {
        let user = users.iter().find(|user| user.id == known.id);
        let user = user.expect("the user exists");
        assert_eq!(user.quota, known.quota(), "{}", known.name);
        assert_eq!(user.used_quota.get(), known.used, "{}", known.name);
        assert_eq!(user.quota.get() + user.used_quota.get(), known.granted);
        keys(world, oracle, known.id).await;
    }
    let channels = ok!(world.store.channels());
    for known in &oracle.channels {
        let channel = channels.iter().find(|channel| channel.id == known.id);
        let channel = channel.expect("the channel exists");
        assert_eq!(channel.used_quota.get(), known.used, "{}", known.name);
        assert_eq!(channel.enabled, known.enabled, "{}", known.name);
    }
}

async fn keys(world: &World, oracle: &Oracle, user: UserId) {
    for key in ok!(world.store.keys(user)) {
        let known = oracle.keys.iter().find(|known| known.id == key.id);
        let known = known.expect("the key is of the sequence");
        assert_eq!(key.used_quota.get(), known.used);
        let left = known.limit.map(|limit| limit - known.used);
        assert_eq!(key.quota.map(i64::from), left);
    }
}

fn assert_same(view: &TaskView, task: &Task, oracle: &Oracle) {
    let channel = task
        .channel
        .map_or(0, |channel| oracle.channels[channel].id.0);
    let expected = (task.status, task.progress, task.price, channel);
    let held = (
        view.status,
        view.progress,
        view.quota.get(),
        view.channel_id.0,
    );
    assert_eq!(
        held, expected,
        "status, progress, price and channel of {view:?}"
    );
    let expected = (
        &task.name,
        task.action,
        task.start_time,
        task.finish_time,
        &task.data,
    );
    let held = (
        &view.task_id,
        view.action,
        view.start_time,
        view.finish_time,
        &view.data,
    );
    assert_eq!(held, expected);
    assert_eq!(!view.fail_reason.is_empty(), task.status == Status::Failure);
    assert_eq!(view.progress == Progress::DONE, view.status.is_terminal());
}

/// A final status stays, and nothing falls.
fn assert_forward(before: &TaskView, now: &TaskView) {
    if before.status.is_terminal() {
        assert_eq!(before, now, "what ended never changes");
    }
    let forward = before.status == now.status || before.status.may_become(now.status);
    assert!(forward, "{before:?} to {now:?}");
    assert!(before.progress <= now.progress, "{before:?} to {now:?}");
    assert!(before.updated_at <= now.updated_at, "{before:?} to {now:?}");
}

/// A task has one charge, one refund exactly if it failed, and a narrow row exactly while it is unfinished.
pub async fn story(world: &World, task: &Task) {
    let story = world.story(&task.name).await;
    let unfinished = task.unfinished.as_ref();
    let expected = unfinished.map(|task| (task.turn, task.due_at.0));
    let held = story.unfinished.as_ref().map(|row| (row.turn, row.due_at));
    assert_eq!(held, expected, "turn and due_at of {task:?}");
    let entries = story.entries.iter();
    let entries: Vec<_> = entries
        .map(|entry| (entry.kind.as_str(), entry.amount))
        .collect();
    let both = [("charge", -task.price), ("refund", task.price)];
    let owed = 1 + usize::from(task.status == Status::Failure);
    assert_eq!(entries, both[..owed]);
    let polled = unfinished.is_some_and(|task| matches!(task.stage, Stage::Poll { .. }));
    assert!(!polled || story.upstream_id == Some(task.upstream_id()));
    let late = story.events.iter().filter(|event| event.kind == "late");
    assert_eq!(late.count(), usize::from(task.late_noted));
}
