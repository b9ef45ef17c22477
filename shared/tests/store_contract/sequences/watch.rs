//! What must hold after every step: the audit finds no break, no task goes backwards, and the Store holds
//! what the model holds.

use std::collections::BTreeMap;

use shared::store::listing::{Filter, TaskView};
use shared::task::{ChannelId, Progress, RowId, Status, UserId};

use super::oracle::{Oracle, Stage, Task};
use crate::database::ok;
use crate::values::{quota, turn_and_due};
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
        let page = ok!(world.store.list(Filter::default(), 0, 1_000));
        assert_eq!(page.total, count(oracle));
        assert_eq!(page.items.len(), oracle.tasks.len());
        let unfinished = oracle.tasks.iter().filter(|task| task.unfinished.is_some());
        let counted = ok!(world.store.unfinished());
        assert_eq!(usize::try_from(counted).ok(), Some(unfinished.count()));
        for view in page.items {
            let task = &oracle.tasks[oracle.task(view.id)];
            assert_same(&view, task, oracle);
            let turn = task.unfinished.as_ref().map(|task| task.turn);
            let before = self.seen.insert(view.id, (view.clone(), turn));
            if let Some((before, before_turn)) = &before {
                assert_forward(before, &view);
                let forward = turn.is_none() || turn >= *before_turn;
                assert!(forward, "{turn:?} of {view:?}");
            }
            if before.is_none_or(|(_, before_turn)| before_turn != turn) {
                story(world, task).await;
            }
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
    let channel = task.channel.map(|channel| oracle.channels[channel].id);
    let expected = TaskView {
        task_id: task.name.clone(),
        channel_id: channel.unwrap_or(ChannelId(0)),
        quota: quota(task.price),
        action: task.action,
        status: task.status,
        start_time: task.start_time,
        finish_time: task.finish_time,
        progress: task.progress,
        data: task.data.clone(),
        ..view.clone()
    };
    assert_eq!(*view, expected);
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
    let found = turn_and_due(&story);
    assert_eq!(found, expected, "turn and due_at of {task:?}");
    let entries = story.entries.iter();
    let entries: Vec<_> = entries.map(|e| (e.kind.as_str(), e.amount)).collect();
    let both = [("charge", -task.price), ("refund", task.price)];
    let owed = 1 + usize::from(task.status == Status::Failure);
    assert_eq!(entries, both[..owed]);
    let polled = unfinished.is_some_and(|task| matches!(task.stage, Stage::Poll { .. }));
    assert!(!polled || story.upstream_id == Some(task.upstream_id()));
    let late = story.events.iter().filter(|event| event.kind == "late");
    assert_eq!(late.count(), usize::from(task.late_noted));
}
