//! Steps with postponed, overdue and given-up tasks.

use shared::clock::Millis;
use shared::store::submissions::IDEMPOTENCY_KEPT;
use shared::task::{AtTurn, Status};

use super::super::oracle::Stage;
use super::super::step::Pick;
use super::{Drive, LATE_LOOK_EVERY, LATE_LOOKS, LEASE, PACE, at_stage};
use crate::database::ok;
use crate::values::{next, sorted};

impl Drive<'_> {
    pub(super) async fn postpone(&mut self, picks: &[Pick]) {
        let idle = |stage| !matches!(stage, Stage::Sending { .. });
        let picked = self.picks(picks, |task| at_stage(task, idle));
        let due_at = self.oracle.now.after(PACE);
        let postponed = ok!(self.store().postpone(&picked, due_at));
        let mut expected = Vec::new();
        for at in picked {
            let named_before = expected.iter().any(|done: &AtTurn| done.row == at.row);
            if let Some(task) = self.oracle.at(at)
                && idle(task.stage)
                && !named_before
            {
                task.turn += 1;
                task.due_at = due_at;
                expected.push(next(at));
            }
        }
        assert_eq!(sorted(postponed), sorted(expected));
    }

    pub(super) async fn sweep(&mut self, limit: u32) {
        let (now, lease) = (self.oracle.now, self.oracle.now.after(LEASE));
        let overdue = ok!(self.store().sweep(now, lease, limit, now));
        let unfinished = self.oracle.tasks.iter().flat_map(|task| &task.unfinished);
        // What is being sent is its worker's, and what waits stands in a line.
        let ours =
            unfinished.filter(|task| !matches!(task.stage, Stage::Sending { .. } | Stage::Submit));
        let due = ours.map(|task| task.due_at).filter(|at| *at < now);
        let due = first_of(due, limit);
        let mut given = Vec::new();
        for one in overdue {
            let task = self.oracle.at(one.at).expect("it is at that turn");
            given.push(task.due_at);
            task.due_at = lease;
            let channel = match task.stage {
                Stage::Poll { channel } => Some(self.oracle.channels[channel].id),
                Stage::Again { .. } => None,
                Stage::Sending { .. } => panic!("it is being sent"),
                Stage::Submit => panic!("it stands in a line"),
            };
            assert_eq!(one.poll_at, channel);
        }
        // The Store may choose among tasks that are due since the same moment.
        assert_eq!(sorted(given), due, "what waited longest");
    }

    pub(super) async fn late(&mut self, limit: u32) {
        let now = self.oracle.now;
        let looks = ok!(self.store().late_tasks(now, limit));
        let late = self.oracle.tasks.iter().filter_map(|task| task.late);
        let due = late.map(|(due_at, _)| due_at).filter(|at| *at <= now);
        let due = first_of(due, limit);
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
        let forgotten = ok!(self.store().forget_idempotency(before, limit));
        let old = self.oracle.once.iter().filter(|(_, once)| once.at < before);
        let old: Vec<_> = old.map(|(key, _)| *key).take(limit as usize).collect();
        // The Store may choose among expired keys.
        assert_eq!(forgotten, old.len() as u64);
        for key in old {
            self.oracle.once.remove(&key);
        }
    }
}

/// The first `limit` moments in order.
fn first_of(moments: impl Iterator<Item = Millis>, limit: u32) -> Vec<Millis> {
    let mut moments = sorted(moments.collect());
    moments.truncate(limit as usize);
    moments
}
