//! Submits and their outcomes.

use shared::secret::SecretDigest;
use shared::store::Result;
use shared::store::submissions::{Idempotency, NewTask, Submitted};
use shared::store::turns::{Accepted, Retry, Sending};
use shared::task::Action;
use tokio::join;

use super::super::oracle::{Once, Stage, Unfinished, Verdict};
use super::super::step::Pick;
use super::{Drive, LEASE, PACE, at_stage};
use crate::database::ok;
use crate::values::{accepted, next, sorted};
use crate::world::Payer;

impl Drive<'_> {
    pub(super) async fn submit(
        &mut self,
        key: usize,
        action: Action,
        once: Option<(u8, u8)>,
        pinned: Option<u8>,
        twins: bool,
    ) {
        let (key, now) = (key % 3, self.oracle.now);
        let pinned = pinned.map(|pinned| usize::from(pinned) % 2);
        let verdict = self.oracle.judge(key, action, once, pinned);
        let first = self.new_task(key, action, once, pinned);
        let second = self.new_task(key, action, once, pinned);
        let names = [first.task_id.clone(), second.task_id.clone()];
        let ended = if twins {
            let (store, other) = (&self.world.store, &self.world.other);
            let both = join!(store.submit(first, now), other.submit(second, now));
            vec![both.0, both.1]
        } else {
            vec![self.store().submit(first, now).await]
        };
        let mut ended = ended
            .into_iter()
            .collect::<Result<Vec<_>>>()
            .expect("it submits");
        if verdict == Verdict::Stored {
            let stored = |ended: &Submitted| matches!(ended, Submitted::Stored { .. });
            let place = ended.iter().position(stored).expect("one is stored");
            let (Submitted::Stored { row, .. }, name) = (ended.remove(place), names[place].clone())
            else {
                unreachable!("it was stored");
            };
            let repeated = Submitted::Repeated(name.clone());
            assert!(ended.iter().all(|other| *other == repeated), "{ended:?}");
            self.oracle.store(row, name.clone(), key, action);
            if let Some((word, body)) = once {
                let user = self.oracle.keys[key].user;
                let once = Once {
                    body: (action, body),
                    first: name,
                    at: now,
                };
                self.oracle.once.insert((user, word), once);
            }
            return;
        }
        let expected = match verdict {
            Verdict::Repeated(first) => Submitted::Repeated(first),
            Verdict::KeyReused => Submitted::KeyReused,
            Verdict::NoChannel => Submitted::NoChannel,
            Verdict::Stored | Verdict::QuotaNotEnough => Submitted::QuotaNotEnough,
        };
        assert!(
            ended.iter().all(|ended| *ended == expected),
            "{ended:?}, not {expected:?}"
        );
    }

    fn new_task(
        &self,
        key: usize,
        action: Action,
        once: Option<(u8, u8)>,
        pinned: Option<usize>,
    ) -> NewTask {
        let key = &self.oracle.keys[key];
        let user = &self.oracle.users[key.user];
        let payer = Payer {
            user: user.id,
            name: user.name.clone(),
            key: key.id,
        };
        NewTask {
            action,
            pinned: pinned.map(|channel| self.oracle.channels[channel].id),
            idempotency: once.map(|(word, body)| Idempotency {
                key: format!("order {word}"),
                request: SecretDigest::of(format!("{action} {body}")),
                meaning: Some(SecretDigest::of(format!("{action} {body}"))),
            }),
            ..self.world.song(&payer)
        }
    }

    pub(super) async fn begin(&mut self, pick: Pick, channel: usize, claim: i64) {
        let to_send = |stage| matches!(stage, Stage::Submit | Stage::Again { .. });
        let Some(at) = self.pick(pick, |task| at_stage(task, to_send)) else {
            return;
        };
        let (now, channel) = (self.oracle.now, channel % 2);
        let lease = now.after(LEASE);
        let id = self.oracle.channels[channel].id;
        let begun = ok!(self.store().begin_submit(at, id, claim, lease, now));
        let next = next(at);
        let is_open = self.oracle.channels[channel].enabled;
        let fresh = is_open
            && self.oracle.at(at).is_some_and(|task| match task.stage {
                Stage::Submit => true,
                // It stays with its channel.
                Stage::Again { channel: its_own } => its_own == channel,
                _ => false,
            });
        // The same caller again, which lost the answer.
        let is_own = |task: &&mut Unfinished| matches!(task.stage, Stage::Sending { claim: own, .. } if own == claim);
        let task = if fresh {
            self.oracle.at(at)
        } else {
            self.oracle.at(next).filter(is_own)
        };
        let expected = task.map(|task| {
            task.turn = next.turn.0;
            (task.stage, task.due_at) = (Stage::Sending { channel, claim }, lease);
            next
        });
        assert_eq!(begun, expected);
    }

    pub(super) async fn not_arrived(&mut self, pick: Pick, counted: bool, may_have_arrived: bool) {
        let sending = |stage| matches!(stage, Stage::Sending { .. });
        let Some(at) = self.pick(pick, |task| at_stage(task, sending)) else {
            return;
        };
        let (now, due_at) = (self.oracle.now, self.oracle.now.after(PACE));
        let retry = Retry {
            at,
            counted,
            may_have_arrived,
            reason: "no connection".to_owned(),
            heard: None,
            due_at,
        };
        let again = ok!(self.store().retry_submit(retry, now));
        let task = self.oracle.at(at).filter(|task| sending(task.stage));
        let expected = task.map(|task| {
            task.turn += 1;
            let stage = match task.stage {
                Stage::Sending { channel, .. } if may_have_arrived => Stage::Again { channel },
                _ => Stage::Submit,
            };
            (task.stage, task.due_at) = (stage, due_at);
            task.attempts += u32::from(counted);
            next(at)
        });
        assert_eq!(again, expected);
        if let Some(at) = expected {
            let job = ok!(self.store().submit_job(at)).expect("it is to be submitted");
            let attempts = self.oracle.at(at).map(|task| task.attempts);
            let sending = if may_have_arrived {
                Sending::Again { sent_to: 0 }
            } else {
                Sending::NotSent
            };
            assert_eq!((Some(job.attempts), job.sending), (attempts, sending));
        }
    }

    pub(super) async fn accept(&mut self, picks: &[Pick], doubled: bool) {
        let sending = |stage| matches!(stage, Stage::Sending { .. });
        let mut picked = self.picks(picks, |task| at_stage(task, sending));
        if doubled {
            picked.extend(picked.clone());
        }
        let (now, due_at) = (self.oracle.now, self.oracle.now.after(PACE));
        let accepted = picked.iter().map(|at| {
            let task = &self.oracle.tasks[self.oracle.task(at.row)];
            let channel = match task.unfinished.as_ref().map(|task| task.stage) {
                Some(Stage::Sending { channel, .. }) => channel,
                _ => 0,
            };
            let channel = self.oracle.channels[channel].id;
            Accepted {
                due_at,
                ..accepted(*at, channel, &task.upstream_id())
            }
        });
        let accepted = ok!(self.store().accept(accepted.collect(), now));
        let mut expected = Vec::new();
        for at in picked {
            if let Some(task) = self.oracle.at(at)
                && let Stage::Sending { channel, .. } = task.stage
            {
                task.turn += 1;
                (task.stage, task.due_at) = (Stage::Poll { channel }, due_at);
                expected.push(next(at));
                self.oracle.accept(at.row, channel);
            }
        }
        assert_eq!(sorted(accepted), sorted(expected));
    }
}
