//! Polls and their outcomes.

use serde_json::value::RawValue;
use shared::store::Store;
use shared::store::turns::{Finished, Polled, TaskUpdate};
use shared::task::step::{Known, Observation, Step as Becomes};
use shared::task::{AtTurn, End, Status};
use tokio::join;

use super::super::oracle::{Channel, Stage};
use super::super::step::{Pick, PollAnswer};
use super::{Drive, LEASE, PACE, at_stage};
use crate::database::ok;
use crate::values::{next, sorted};

/// The outcome of a settle for one task.
enum Outcome {
    Waits(Polled),
    Ends(Finished),
}

impl Drive<'_> {
    pub(super) async fn poll_jobs(&mut self, channel: usize, picks: &[Pick]) {
        let channel = channel % 2;
        let polled = |stage| stage == Stage::Poll { channel };
        let picked = self.picks(picks, |task| at_stage(task, polled));
        let id = self.oracle.channels[channel].id;
        let jobs = ok!(self.store().poll_jobs(id, &picked));
        let mut expected: Vec<AtTurn> = Vec::new();
        for at in picked {
            let there = self.oracle.at(at).filter(|task| polled(task.stage));
            if there.is_some() && !expected.contains(&at) {
                expected.push(at);
            }
        }
        let found = jobs.iter().map(|job| job.at).collect();
        assert_eq!(sorted(found), sorted(expected));
        for job in jobs {
            let task = &self.oracle.tasks[self.oracle.task(job.at.row)];
            let unfinished = task.unfinished.as_ref().expect("it was there");
            let expected = (unfinished.polls, unfinished.missing, unfinished.digest);
            assert_eq!((job.polls, job.missing, job.digest), expected);
            assert_eq!((job.status, job.progress), (task.status, task.progress));
            assert_eq!(job.task_id, task.name);
            assert_eq!(job.upstream_id, task.upstream_id());
        }
    }

    pub(super) async fn renew(&mut self, picks: &[Pick]) {
        let polled = |stage| matches!(stage, Stage::Poll { .. });
        let picked = self.picks(picks, |task| at_stage(task, polled));
        let until = self.oracle.now.after(LEASE);
        ok!(self.store().renew_leases(&picked, until));
        for at in picked {
            if let Some(task) = self.oracle.at(at).filter(|task| polled(task.stage)) {
                task.due_at = task.due_at.max(until);
            }
        }
    }

    pub(super) async fn settle(
        &mut self,
        polled: &[(Pick, PollAnswer)],
        doubled: bool,
        twins: bool,
    ) {
        let at_upstream = |stage| matches!(stage, Stage::Poll { .. });
        let mut picked: Vec<(AtTurn, PollAnswer)> = Vec::new();
        for (pick, polled) in polled {
            if let Some(at) = self.pick(*pick, |task| at_stage(task, at_upstream))
                // A worker has a task once in a batch, with one outcome.
                && !picked.iter().any(|(other, _)| other.row == at.row)
            {
                picked.push((at, *polled));
            }
        }
        self.settle_at(picked, doubled, twins).await;
    }

    /// What workers write after these answers.
    pub(super) async fn settle_at(
        &mut self,
        picked: Vec<(AtTurn, PollAnswer)>,
        doubled: bool,
        twins: bool,
    ) {
        let mut waiting = Vec::new();
        let mut finished = Vec::new();
        for (at, polled) in picked {
            match self.outcome(at, polled) {
                Outcome::Waits(one) => waiting.push(one),
                Outcome::Ends(one) => finished.push(one),
            }
        }
        if doubled {
            waiting.extend(waiting.clone());
            finished.extend(finished.clone());
        }
        let now = self.oracle.now;
        let settle = |store: Store| {
            let (waiting, finished) = (waiting.clone(), finished.clone());
            async move { ok!(store.settle(waiting, finished, now)) }
        };
        let settled = if twins {
            let (one, other) = (self.world.store.clone(), self.world.other.clone());
            let (mut one, other) = join!(settle(one), settle(other));
            one.waiting.extend(other.waiting);
            one.finished.extend(other.finished);
            one
        } else {
            settle(self.store()).await
        };
        let (mut waits, mut ended) = (Vec::new(), Vec::new());
        for one in waiting {
            waits.extend(self.wait_on(one));
        }
        for one in finished {
            if self.oracle.at(one.at).is_some() {
                self.end(&one);
                ended.push(one.at.row);
            }
        }
        assert_eq!(sorted(settled.finished_rows()), sorted(ended));
        assert_eq!(sorted(settled.waiting), sorted(waits));
    }

    fn outcome(&self, at: AtTurn, polled: PollAnswer) -> Outcome {
        let task = &self.oracle.tasks[self.oracle.task(at.row)];
        let known = task.unfinished.as_ref();
        let (polls, missing, digest) = known.map_or((0, 0, 0), |known| {
            (known.polls, known.missing, known.digest)
        });
        let waits = |missing, news| {
            let due_at = self.oracle.now.after(PACE);
            Outcome::Waits(Polled {
                at,
                due_at,
                polls: polls + 1,
                missing,
                update: news,
            })
        };
        let fails = |reason: &str, given_up, data| {
            let channel = Some(self.oracle.channels[usize::from(at.row.0 % 2 == 0)].id);
            let end = End::Failure {
                reason: reason.to_owned(),
                channel,
                given_up,
            };
            Outcome::Ends(Finished { at, end, data })
        };
        // The answer to a submit can be the result.
        if let (
            Some(Stage::Sending { channel, .. }),
            PollAnswer::State(Some(Status::Success), ..),
        ) = (known.map(|known| &known.stage), &polled)
        {
            let end = End::SuccessAtOnce {
                channel: self.oracle.channels[*channel].id,
                upstream_id: task.upstream_id(),
            };
            let data = Some("[]".to_owned());
            return Outcome::Ends(Finished { at, end, data });
        }
        // Otherwise, a task that no upstream accepted can only fail.
        if known.is_some() && !task.accepted {
            return fails("refused", false, None);
        }
        let (status, progress, clips) = match polled {
            PollAnswer::Missing => return waits(missing + 1, None),
            PollAnswer::GivenUp => return fails("too late", true, None),
            PollAnswer::State(status, progress, clips) => (status, progress, clips),
        };
        let data = format!("[{}]", vec!["{}"; usize::from(clips)].join(","));
        let observation = Observation {
            finish: None,
            status,
            fail_reason: "out of tune".to_owned(),
            progress,
            data: RawValue::from_string(data).ok(),
        };
        let text = |data: Option<Box<RawValue>>| data.map(|data| data.get().to_owned());
        match observation.step(Known {
            status: task.status,
            progress: task.progress,
            digest,
        }) {
            Becomes::Same => waits(0, None),
            Becomes::Moved {
                status,
                progress,
                data,
                digest,
            } => {
                let news = TaskUpdate {
                    status,
                    progress,
                    data: text(data),
                    digest,
                };
                waits(0, Some(news))
            }
            Becomes::Succeeded { data } => Outcome::Ends(Finished {
                at,
                end: End::Success,
                data: text(data),
            }),
            Becomes::Failed { reason, data } => fails(&reason, false, text(data)),
        }
    }

    fn wait_on(&mut self, one: Polled) -> Option<AtTurn> {
        let seconds = self.oracle.now.seconds();
        let task = self.oracle.at(one.at)?;
        task.turn += 1;
        (task.due_at, task.polls, task.missing) = (one.due_at, one.polls, one.missing);
        if let Some(news) = one.update {
            task.digest = news.digest;
            let number = self.oracle.task(one.at.row);
            let task = &mut self.oracle.tasks[number];
            (task.status, task.progress) = (news.status, news.progress);
            task.data = news.data.or(task.data.take());
            if task.start_time == 0 && news.status == Status::InProgress {
                task.start_time = seconds;
            }
        }
        Some(next(one.at))
    }

    fn end(&mut self, one: &Finished) {
        let number = self.oracle.task(one.at.row);
        let task = &mut self.oracle.tasks[number];
        task.data = one.data.clone().or(task.data.take());
        match &one.end {
            End::Success => self.oracle.end(one.at.row, Status::Success, None, false),
            End::SuccessAtOnce { channel, .. } => {
                let named = |known: &Channel| known.id == *channel;
                let channel = self.oracle.channels.iter().position(named);
                self.oracle
                    .accept(one.at.row, channel.expect("it is known"));
                self.oracle.end(one.at.row, Status::Success, None, false);
            }
            End::Failure {
                channel, given_up, ..
            } => {
                let named = |known: &Channel| Some(known.id) == *channel;
                let channel = self.oracle.channels.iter().position(named);
                self.oracle
                    .end(one.at.row, Status::Failure, channel, *given_up);
            }
        }
    }
}
