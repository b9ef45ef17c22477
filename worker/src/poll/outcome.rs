//! What an answer means for each task that the channel was asked about.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::Histogram;
use serde_json::value::RawValue;
use shared::clock::Millis;
use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::turns::{Finished, PollJob, Polled, TaskUpdate};
use shared::task::scrub::Scrub;
use shared::task::step::{Known, Observation, Step};
use shared::task::wait::Rung;
use shared::task::{End, RowId, Status};
use upstream::Driver;

use super::fetch::Answer;
use crate::channels::plans::ChannelPlan;
use crate::context::Context;
use crate::ended::{self, Ending};
use crate::figures::end_seen;
use crate::schedule::{FollowUp, due_at};

/// The most polls in a row without an answer that a task gets at its deadline, so that one 429, or an
/// upstream that restarts, does not decide.
const LAST_TRIES: u32 = 5;

/// The outcome of a poll for one task.
pub(super) enum Outcome {
    Waits(Polled, Rung),
    Ends(Ending),
}

pub(super) struct Batch<'a> {
    pub context: &'a Context,
    pub driver: Option<Driver<'a>>,
    pub channel: &'a Channel,
    pub now: Millis,
    pub cool_until: Millis,
    pub plan: Arc<ChannelPlan>,
    /// How late ends are seen at the channel: looked up once a batch.
    pub end_seen: OnceLock<Histogram>,
}

impl Batch<'_> {
    pub(super) fn outcome(&self, answer: &Answer, job: &PollJob) -> Outcome {
        if let Some(observation) = answer.known.get(&job.upstream_id) {
            return self.observed(job, observation.clone());
        }
        if answer.is_cut_off && !answer.answered.contains(&job.upstream_id) {
            // Not the upstream's fault, so not one of its last tries.
            return self.wait_for_channel(job, 0);
        }
        let at_deadline = job.deadline <= self.now;
        if answer.answered.contains(&job.upstream_id) {
            if at_deadline {
                return give_up(job, "the upstream no longer knew the task at its deadline");
            }
            tracing::debug!(task = %job.task_id, row = job.at.row.0, turn = job.at.turn.0,
                missing = job.missing + 1, "the upstream left this task out of its answer");
            return self.waits(job, job.missing + 1, None);
        }
        if at_deadline && job.missing + 1 >= LAST_TRIES {
            let scrub = self.scrub_words(job);
            let of_one = answer.of_one.get(&job.upstream_id);
            let said = of_one
                .or(answer.trouble.as_ref())
                .map(|trouble| scrub.reason(&trouble.said));
            let said = said.map_or_else(String::new, |said| format!(": {said}"));
            let reason = format!("the upstream did not tell of the task before its deadline{said}");
            return give_up(job, &reason);
        }
        self.wait_for_channel(job, u32::from(at_deadline))
    }

    /// The outcome for a task that the upstream said something about.
    fn observed(&self, job: &PollJob, observation: Observation) -> Outcome {
        let known = Known {
            status: job.status,
            progress: job.progress,
            digest: job.digest,
        };
        if observation.status.is_some_and(Status::is_terminal) {
            self.learn(job, &observation);
        }
        let scrub = || self.context.scrub_result(self.channel, &job.task_id);
        let scrubbed = |data: Option<Box<RawValue>>| data.map(|data| scrub().json(data.get()));
        match observation.step(known) {
            Step::Succeeded { data } => ends(job, End::Success, scrubbed(data)),
            Step::Failed { reason, data } => {
                let reason = match self.scrub_words(job).reason(&reason) {
                    empty if empty.is_empty() => "the upstream gave no reason".to_owned(),
                    reason => reason,
                };
                let end = End::Failure {
                    reason,
                    channel: None,
                    given_up: false,
                };
                ends(job, end, scrubbed(data))
            }
            _ if job.deadline <= self.now => give_up(
                job,
                "the upstream did not finish the task before its deadline",
            ),
            Step::Same => self.waits(job, 0, None),
            Step::Moved {
                status,
                progress,
                data,
                digest,
            } => {
                tracing::debug!(task = %job.task_id, row = job.at.row.0, turn = job.at.turn.0,
                    %status, %progress, "the task moved");
                let update = TaskUpdate {
                    status,
                    progress,
                    data: scrubbed(data),
                    digest,
                };
                self.waits(job, 0, Some(update))
            }
        }
    }

    fn scrub_words(&self, job: &PollJob) -> Scrub {
        let scrub = self.context.scrub_words(self.channel, &job.task_id);
        scrub.and(&job.upstream_id)
    }

    /// Notes how long the task took, and how late its end is seen.
    fn learn(&self, job: &PollJob, observation: &Observation) {
        let (channel, age) = (self.channel, self.age(job));
        // Of an end that the upstream does not tell the time of, half the last delay is the best guess.
        let took = observation.finish.and_then(|finish| finish.took);
        let took = took.filter(|took| *took <= age).unwrap_or_else(|| {
            let last = self.plan.after(job.action, age / 2).duration();
            age.saturating_sub(last / 2)
        });
        let succeeded = observation.status == Some(Status::Success);
        let cache = &self.context.channels;
        cache.note_end((channel.id, job.action), took, succeeded, self.now);
        if let Some(finish) = observation.finish {
            let seen = self.end_seen.get_or_init(|| end_seen(&channel.name));
            seen.record(self.now.since(finish.at).as_secs_f64());
        }
    }

    /// The task was polled, and waits for its next poll.
    fn waits(&self, job: &PollJob, missing: u32, update: Option<TaskUpdate>) -> Outcome {
        self.waits_for(job, self.next(job), job.polls + 1, missing, update)
    }

    /// The delay before the next poll, which is not put off past the deadline.
    fn next(&self, job: &PollJob) -> Rung {
        let left = job.deadline.since(self.now);
        let rung = self.plan.after(job.action, self.age(job));
        rung.min(Rung::at_least(left))
    }

    /// How long the task has been at the upstream.
    fn age(&self, job: &PollJob) -> Duration {
        job.age(self.context.settings.task_timeout, self.now)
    }

    /// The task waits until its channel is well. Its polls are not counted, but `missed` of its last
    /// tries are.
    pub(super) fn wait_for_channel(&self, job: &PollJob, missed: u32) -> Outcome {
        let left = job.deadline.since(self.now);
        let wait = self.cool_until.since(self.now);
        let rung = if wait.is_zero() {
            self.next(job)
        } else {
            Rung::at_least(wait).min(Rung::at_least(left))
        };
        self.waits_for(job, rung, job.polls, job.missing + missed, None)
    }

    fn waits_for(
        &self,
        job: &PollJob,
        rung: Rung,
        polls: u32,
        missing: u32,
        update: Option<TaskUpdate>,
    ) -> Outcome {
        let polled = Polled {
            at: job.at,
            due_at: due_at(self.now, rung),
            polls,
            missing,
            update,
        };
        Outcome::Waits(polled, rung)
    }

    /// Writes all outcomes in one transaction; returns the next polls.
    pub(super) async fn settle(&self, outcomes: Vec<Outcome>) -> Result<Vec<FollowUp>, StoreError> {
        let (mut waiting, mut endings, mut rungs) = (Vec::new(), Vec::new(), HashMap::new());
        for outcome in outcomes {
            match outcome {
                Outcome::Waits(task, rung) => {
                    rungs.insert(task.at.row, rung);
                    waiting.push(task);
                }
                Outcome::Ends(ending) => endings.push(ending),
            }
        }
        if let Some(driver) = self.driver {
            mark_failed(self.context, driver, &mut endings).await?;
        }
        let waiting =
            ended::settle(self.context, "settle a poll", waiting, endings, self.now).await;
        let next = waiting.into_iter().map(|at| FollowUp::Poll {
            channel: self.channel.id,
            at,
            delay: rungs.get(&at.row).copied(),
        });
        Ok(next.collect())
    }
}

/// Lets no result of a failed task say that something in it is still being made.
async fn mark_failed(
    context: &Context,
    driver: Driver<'_>,
    endings: &mut [Ending],
) -> Result<(), StoreError> {
    let failed = endings
        .iter_mut()
        .map(|ending| &mut ending.finished)
        .filter(|finished| matches!(finished.end, End::Failure { .. }));
    let mut failed: Vec<&mut Finished> = failed.collect();
    let without_result = failed.iter().filter(|finished| finished.data.is_none());
    let rows: Vec<RowId> = without_result.map(|finished| finished.at.row).collect();
    let mut stored = HashMap::new();
    if !rows.is_empty() {
        stored = context
            .ask_store("read results", || context.store.results(&rows))
            .await?;
    }
    for finished in &mut failed {
        let result = finished
            .data
            .take()
            .or_else(|| stored.remove(&finished.at.row));
        finished.data = result.map(|result| driver.failed_result(&result));
    }
    Ok(())
}

fn give_up(job: &PollJob, reason: &str) -> Outcome {
    let end = End::Failure {
        reason: reason.to_owned(),
        channel: None,
        given_up: true,
    };
    ends(job, end, None)
}

fn ends(job: &PollJob, end: End, data: Option<String>) -> Outcome {
    Outcome::Ends(Ending {
        task_id: job.task_id.clone(),
        heard: None,
        finished: Finished {
            at: job.at,
            end,
            data,
        },
    })
}
