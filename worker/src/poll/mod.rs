//! One batch, one poll: one read of its tasks, one fetch, one transaction.
//!
//! | module | what it does |
//! |---|---|
//! | [`batching`] | merges messages into batches |
//! | [`fetch`] | asks a channel about tasks |

pub mod batching;
pub mod fetch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use shared::clock::Millis;
use shared::store::StoreError;
use shared::store::channels::{Calls, Channel};
use shared::store::turns::{Finished, PollJob, Polled, TaskUpdate};
use shared::task::cool_down::RestsFor;
use shared::task::looks::durations::Durations;
use shared::task::scrub::Scrub;
use shared::task::step::{Known, Observation, Step};
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId, End, RowId, Status};

use crate::channels::Permit;
use crate::channels::plans::{ChannelPlan, set_bound};
use crate::context::{Context, LEASE_SLACK};
use crate::ended::{self, Ending};
use crate::figures::{TurnState, Work, count_turns, record_end_seen, record_lateness};
use crate::schedule::{FollowUp, LONGEST_BEAT, due_at};
use fetch::{Answer, fetch};
use upstream::Driver;

/// How long a fetch may run before the leases of its tasks are renewed: well below the grace of the sweep.
const RENEW_AFTER: Duration = Duration::from_secs(5);
/// The wait of tasks whose platform this worker has no driver for: another worker may take them then.
const NO_DRIVER: Duration = Duration::from_secs(30);
/// A fetch that takes longer is a sign that the channel gets too many.
const SLOW: Duration = Duration::from_secs(5);
/// The most polls in a row without an answer that a task gets at its deadline, so that one 429, or an
/// upstream that restarts, does not decide.
const LAST_TRIES: u32 = 5;

/// Polls those of `tasks` (at most a hundred, all at `channel`) that still are at their turn. Frees
/// `permit`, the slot at the channel, as soon as the answer is here and may be written.
pub async fn poll(
    context: &Context,
    channel: ChannelId,
    permit: Option<Permit>,
    tasks: &[AtTurn],
) -> Result<Vec<FollowUp>, StoreError> {
    let channels = context
        .ask_store("read the channels", || context.channels.all())
        .await?;
    let Some(channel) = channels.iter().find(|known| known.id == channel) else {
        for at in tasks {
            tracing::error!(
                row = at.row.0,
                turn = at.turn.0,
                "a message names a channel that does not exist"
            );
        }
        return Ok(Vec::new());
    };
    let read_at = context.now();
    let jobs = context
        .ask_store("read the tasks of a poll", || {
            context.store.poll_jobs(channel.id, tasks)
        })
        .await?;
    count_turns(Work::Poll, TurnState::Claimed, jobs.len());
    count_turns(Work::Poll, TurnState::Stale, tasks.len() - jobs.len());
    record_latenesses(context, channel, &jobs, read_at);
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let driver = context.upstreams.driver(channel.platform);
    let cooling = channel.poll_cool_until > read_at;
    // At its deadline a task gets its last poll, even if the channel cools down.
    let (asked, cooling_jobs): (Vec<PollJob>, Vec<PollJob>) = jobs
        .into_iter()
        .partition(|job| driver.is_some() && (!cooling || job.deadline <= read_at));
    let answer = match driver {
        Some(driver) => {
            let paid = u32::from(permit.is_some());
            fetch_with_leases(context, driver, channel, &asked, paid).await
        }
        None => Answer::default(),
    };
    if answer.trouble.is_none() && !answer.is_cut_off && !asked.is_empty() {
        context.warm_up(channel, Calls::Fetches).await;
    }
    if let Some(driver) = driver {
        lower_bound(context, channel, driver, &answer).await;
    }
    let cool_until = match (&answer.trouble, driver) {
        // It only said that this was too much.
        (Some(trouble), _) if trouble.busy && trouble.retry_after.is_none() => {
            channel.poll_cool_until
        }
        (Some(trouble), _) => {
            // An address that cannot be reached is trouble for submits, too.
            let calls = if trouble.is_no_connection() {
                Calls::Both
            } else {
                Calls::Fetches
            };
            context
                .cool_down(channel, calls, trouble, RestsFor::Everybody)
                .await
        }
        // Soon, at another worker.
        (None, _) if answer.is_cut_off => channel.poll_cool_until,
        (None, Some(_)) => channel.poll_cool_until,
        (None, None) => {
            tracing::warn!(platform = %channel.platform, channel = %channel.name,
                "this worker has no driver for the channel's platform");
            read_at.after(NO_DRIVER)
        }
    };
    // The slot is freed only now, so that answers that cannot be written yet do not pile up.
    let _settling = context.channels.settle_permit().await;
    drop(permit);
    let batch = Batch {
        context,
        driver,
        channel,
        now: context.now(),
        cool_until,
        plan: context.channels.plan(channel.id),
    };
    let outcomes = asked.iter().map(|job| batch.outcome(&answer, job)).chain(
        cooling_jobs
            .iter()
            .map(|job| batch.wait_for_channel(job, 0)),
    );
    batch.settle(outcomes.collect()).await
}

/// Lowers the channel's bound of fetches after a 429 or a slow answer.
async fn lower_bound(context: &Context, channel: &Channel, driver: Driver<'_>, answer: &Answer) {
    let is_busy = answer.trouble.as_ref().is_some_and(|trouble| trouble.busy);
    let Some(set) = set_bound(channel, driver.limits()) else {
        return;
    };
    if !is_busy && answer.slowest < SLOW {
        return;
    }
    tracing::debug!(channel = %channel.name, is_busy, "the channel gets fewer fetches for a while");
    let now = context.now();
    if let Err(error) = context.store.lower_calls(channel.id, set, now).await {
        tracing::warn!(%error, channel = %channel.name, "a bound of fetches could not be lowered");
    }
}

/// Fetches. If the answer takes longer than [`RENEW_AFTER`], renews the leases of the tasks, so that the
/// sweep leaves them alone for as long as the fetch may take.
async fn fetch_with_leases(
    context: &Context,
    driver: Driver<'_>,
    channel: &Channel,
    jobs: &[PollJob],
    paid: u32,
) -> Answer {
    let _under_way = context.channels.fetching(channel.id);
    let fetching = fetch(context, driver, channel, groups(jobs), paid);
    tokio::pin!(fetching);
    tokio::select! {
        answer = &mut fetching => return answer,
        () = tokio::time::sleep(RENEW_AFTER) => {}
    }
    let renew = async {
        let tasks: Vec<AtTurn> = jobs.iter().map(|job| job.at).collect();
        let longest = context.settings.fetch_timeout * 2 + LEASE_SLACK;
        let until = context.now().after(longest);
        if let Err(error) = context.store.renew_leases(&tasks, until).await {
            tracing::warn!(%error, "leases could not be renewed; the tasks may be polled twice");
        }
    };
    tokio::join!(fetching, renew).0
}

/// Records how late these polls are, but not of tasks that the sweep found: the sweep measured those.
fn record_latenesses(context: &Context, channel: &Channel, jobs: &[PollJob], now: Millis) {
    let (mut all, mut polls) = (Duration::ZERO, 0);
    for job in jobs {
        if job.due_at.since(now) <= LONGEST_BEAT {
            let late = now.since(job.due_at);
            record_lateness(Work::Poll, late);
            all += late;
            polls += 1;
        }
    }
    context.channels.note_lateness(channel.id, all, polls);
}

/// The ids to ask about, in two calls: an id that was missing last time may make an upstream refuse a
/// whole batch, so those ids go in a call of their own.
fn groups(jobs: &[PollJob]) -> Vec<Vec<String>> {
    let (missing, others): (Vec<&PollJob>, Vec<&PollJob>) =
        jobs.iter().partition(|job| job.missing > 0);
    let ids = |jobs: Vec<&PollJob>| jobs.iter().map(|job| job.upstream_id.clone()).collect();
    vec![ids(missing), ids(others)]
}

/// The outcome of a poll for one task.
enum Outcome {
    Waits(Polled, Rung),
    Ends(Ending),
}

struct Batch<'a> {
    context: &'a Context,
    driver: Option<Driver<'a>>,
    channel: &'a Channel,
    now: Millis,
    cool_until: Millis,
    plan: Arc<ChannelPlan>,
}

impl Batch<'_> {
    fn outcome(&self, answer: &Answer, job: &PollJob) -> Outcome {
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
            let scrub =
                Scrub::channel(&self.channel.base_url, &self.channel.key).and(&job.upstream_id);
            let said = answer
                .trouble
                .as_ref()
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
        // The addresses in a result are what the client paid for; only our key is hidden there.
        let only_key = Scrub::default().and(self.channel.key.expose());
        let scrubbed = |data: Option<Box<RawValue>>| data.map(|data| only_key.json(data.get()));
        match observation.step(known) {
            Step::Succeeded { data } => ends(job, End::Success, scrubbed(data)),
            Step::Failed { reason, data } => {
                let scrub =
                    Scrub::channel(&self.channel.base_url, &self.channel.key).and(&job.upstream_id);
                let reason = match scrub.reason(&reason) {
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
        let one = Durations::one(took, succeeded, self.now);
        let cache = &self.context.channels;
        cache.note_end(channel.id, job.action, &one, self.now);
        if let Some(finish) = observation.finish {
            record_end_seen(&channel.name, self.now.since(finish.at));
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
    fn wait_for_channel(&self, job: &PollJob, missed: u32) -> Outcome {
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
    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<Vec<FollowUp>, StoreError> {
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
