//! Steps with postponed, overdue and given-up tasks.

use shared::clock::Millis;
use shared::store::submissions::IDEMPOTENCY_KEPT;
use shared::task::{AtTurn, Status, Turn};

use super::super::oracle::{Channel, Stage};
use super::super::step::Pick;
use super::{Drive, LATE_LOOK_EVERY, LATE_LOOKS, LEASE, PACE, at_stage, sorted};
use crate::database::ok;

impl Drive<'_> {
    pub(super) async fn postpone(&mut self, picks: &[Pick]) {
        let idle = |stage| !matches!(stage, Stage::Sending { .. });
        let picked = self.picks(picks, |task| at_stage(task, idle));
        let due_at = self.oracle.now.after(PACE);
        let postponed = self.store().postpone(&picked, due_at).await;
        let mut expected = Vec::new();
        for at in picked {
            let named_before = expected.iter().any(|done: &AtTurn| done.row == at.row);
            let task = self
                .oracle
                .at(at)
                .filter(|task| idle(task.stage) && !named_before);
            expected.extend(task.map(|task| {
                task.turn += 1;
                task.due_at = due_at;
                AtTurn {
                    turn: Turn(task.turn),
                    ..at
                }
            }));
        }
        assert_eq!(
            sorted(postponed.expect("they are put off")),
            sorted(expected)
        );
    }

    pub(super) async fn sweep(&mut self, limit: u32) {
        let (now, lease) = (self.oracle.now, self.oracle.now.after(LEASE));
        let overdue = self
            .store()
            .sweep(now, lease, limit, now)
            .await
            .expect("it sweeps");
        let mut due: Vec<Millis> = self
            .oracle
            .tasks
            .iter()
            .filter_map(|task| task.unfinished.as_ref())
            .filter_map(|task| (task.due_at < now).then_some(task.due_at))
            .collect();
        due.sort_unstable();
        due.truncate(usize::try_from(limit).expect("it is small"));
        let mut given = Vec::new();
        for one in overdue {
            let poll_at = one.poll_at;
            let of_stage = |stage, channels: &[Channel]| match stage {
                Stage::Poll { channel } => Some(channels[channel].id),
                Stage::Submit | Stage::Sending { .. } => None,
            };
            let stage = self.oracle.at(one.at).expect("it is at that turn").stage;
            assert_eq!(poll_at, of_stage(stage, &self.oracle.channels));
            let task = self.oracle.at(one.at).expect("it is at that turn");
            given.push(task.due_at);
            task.due_at = lease;
        }
        // The Store may choose among tasks that are due since the same moment.
        assert_eq!(sorted(given), due, "what waited longest");
    }

    pub(super) async fn late(&mut self, limit: u32) {
        let now = self.oracle.now;
        let looks = self.store().late_tasks(now, limit).await.expect("it reads");
        let mut due: Vec<Millis> = self
            .oracle
            .tasks
            .iter()
            .filter_map(|task| task.late)
            .filter_map(|(due_at, _)| (due_at <= now).then_some(due_at))
            .collect();
        due.sort_unstable();
        due.truncate(usize::try_from(limit).expect("it is small"));
        let mut given = Vec::new();
        for look in looks {
            let number = self.oracle.task(look.row);
            let task = &mut self.oracle.tasks[number];
            assert_eq!(look.upstream_id, task.upstream_id());
            let (due_at, looks) = task.late.take().expect("it was given up");
            given.push(due_at);
            if looks + 1 < LATE_LOOKS {
                task.late = Some((now.after(LATE_LOOK_EVERY), looks + 1));
            }
        }
        assert_eq!(sorted(given), due);
    }

    pub(super) async fn note_late(&mut self, task: usize, status: Status) {
        let (store, count) = (self.store(), self.oracle.tasks.len().max(1));
        let Some(task) = self.oracle.tasks.get_mut(task % count) else {
            return;
        };
        ok!(store.note_late(task.row, status, Some("[]"), self.oracle.now));
        if task.status == Status::Failure {
            (task.late_noted, task.late) = (true, None);
        }
    }

    pub(super) async fn forget(&mut self, limit: u32) {
        let before = self.oracle.now.before(IDEMPOTENCY_KEPT);
        let forgotten = self.store().forget_idempotency(before, limit).await;
        let old = self.oracle.once.iter().filter(|(_, once)| once.at < before);
        let old: Vec<_> = old.map(|(key, _)| *key).take(limit as usize).collect();
        // The Store may choose among expired keys.
        assert_eq!(forgotten.expect("it forgets"), old.len() as u64);
        for key in old {
            self.oracle.once.remove(&key);
        }
    }
}
