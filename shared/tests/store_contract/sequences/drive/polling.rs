//! Polls and their outcomes.

use shared::store::turns::{Finished, Polled, Settled, TaskUpdate};
use shared::task::step::{Known, Observation, Step as Becomes};
use shared::task::{AtTurn, End, Status, Turn};
use tokio::join;

use super::super::oracle::{Channel, Stage};
use super::super::step::{Pick, Said};
use super::{Drive, LEASE, PACE, at_stage, sorted};

/// The outcome of a settle for one task.
enum Outcome {
    Waits(Polled),
    Ends(Finished),
}

impl Drive<'_> {
    pub(super) async fn look(&mut self, channel: usize, picks: &[Pick]) {
        let channel = channel % 2;
        let polled = |stage| stage == Stage::Poll { channel };
        let picked = self.picks(picks, |task| at_stage(task, polled));
        let id = self.oracle.channels[channel].id;
        let jobs = self.store().poll_jobs(id, &picked).await;
        let mut expected: Vec<AtTurn> = Vec::new();
        for at in picked {
            let there = self.oracle.at(at).filter(|task| polled(task.stage));
            if there.is_some() && !expected.contains(&at) {
                expected.push(at);
            }
        }
        let jobs = jobs.expect("it answers");
        assert_eq!(
            sorted(jobs.iter().map(|job| job.at).collect()),
            sorted(expected)
        );
        for job in jobs {
            let task = &self.oracle.tasks[self.oracle.task(job.at.row)];
            let unfinished = task.unfinished.as_ref().expect("it was there");
            let expected = (unfinished.polls, unfinished.missing, unfinished.digest);
            assert_eq!((job.polls, job.missing, job.digest), expected);
            assert_eq!((job.status, job.progress), (task.status, task.progress));
            assert_eq!(
                (job.task_id, job.upstream_id),
                (task.name.clone(), task.upstream_id())
            );
        }
    }

    pub(super) async fn hold(&mut self, picks: &[Pick]) {
        let polled = |stage| matches!(stage, Stage::Poll { .. });
        let picked = self.picks(picks, |task| at_stage(task, polled));
        let until = self.oracle.now.after(LEASE);
        let held = self.store().renew_poll_leases(&picked, until).await;
        held.expect("it is held");
        for at in picked {
            if let Some(task) = self.oracle.at(at).filter(|task| polled(task.stage)) {
                task.due_at = task.due_at.max(until);
            }
        }
    }

    pub(super) async fn settle(&mut self, told: &[(Pick, Said)], doubled: bool, twins: bool) {
        let polled = |stage| matches!(stage, Stage::Poll { .. });
        let mut picked: Vec<(AtTurn, Said)> = Vec::new();
        for (pick, said) in told {
            if let Some(at) = self.pick(*pick, |task| at_stage(task, polled))
                // A worker has a task once in a batch, with one outcome.
                && !picked.iter().any(|(other, _)| other.row == at.row)
            {
                picked.push((at, *said));
            }
        }
        self.settle_at(picked, doubled, twins).await;
    }

    /// What workers write after these answers.
    pub(super) async fn settle_at(
        &mut self,
        picked: Vec<(AtTurn, Said)>,
        doubled: bool,
        twins: bool,
    ) {
        let mut waiting = Vec::new();
        let mut finished = Vec::new();
        for (at, said) in picked {
            match self.outcome(at, said) {
                Outcome::Waits(one) => waiting.push(one),
                Outcome::Ends(one) => finished.push(one),
            }
        }
        if doubled {
            waiting.extend(waiting.clone());
            finished.extend(finished.clone());
        }
        let now = self.oracle.now;
        let settled = if twins {
            let both = join!(
                self.world
                    .store
                    .settle(waiting.clone(), finished.clone(), now),
                self.world
                    .other
                    .settle(waiting.clone(), finished.clone(), now)
            );
            let (mut one, two) = (both.0.expect("it settles"), both.1.expect("it settles"));
            one.waiting.extend(two.waiting);
            one.finished.extend(two.finished);
            one
        } else {
            let settled = self
                .store()
                .settle(waiting.clone(), finished.clone(), now)
                .await;
            settled.expect("it settles")
        };
        let mut expected = Settled::default();
        for one in waiting {
            expected.waiting.extend(self.wait_on(one));
        }
        for one in finished {
            if self.oracle.at(one.at).is_some() {
                self.end(&one);
                expected.finished.push(one.at.row);
            }
        }
        assert_eq!(sorted(settled.waiting), sorted(expected.waiting));
        assert_eq!(sorted(settled.finished), sorted(expected.finished));
    }

    fn outcome(&self, at: AtTurn, said: Said) -> Outcome {
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
        // A task that no upstream accepted can only fail.
        if known.is_some() && !task.accepted {
            return fails("refused", false, None);
        }
        let (status, progress, clips) = match said {
            Said::Missing => return waits(missing + 1, None),
            Said::GivenUp => return fails("too late", true, None),
            Said::State(status, progress, clips) => (status, progress, clips),
        };
        let data = format!("[{}]", vec!["{}"; usize::from(clips)].join(","));
        let observation = Observation {
            status,
            fail_reason: "out of tune".to_owned(),
            progress,
            data: serde_json::value::RawValue::from_string(data).ok(),
        };
        let text =
            |data: Option<Box<serde_json::value::RawValue>>| data.map(|data| data.get().to_owned());
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
        let next = AtTurn {
            turn: Turn(task.turn),
            ..one.at
        };
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
        Some(next)
    }

    fn end(&mut self, one: &Finished) {
        let number = self.oracle.task(one.at.row);
        let task = &mut self.oracle.tasks[number];
        task.data = one.data.clone().or(task.data.take());
        match &one.end {
            End::Success => self.oracle.end(one.at.row, Status::Success, None, false),
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
