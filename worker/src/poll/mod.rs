//! One batch, one poll: one look at its tasks, one fetch, one transaction.

pub mod batching;
pub mod fetch;

use std::collections::HashMap;
use std::time::Duration;

use shared::clock::Millis;
use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::turns::{AtTurn, End, Finished, News, PollJob, Waiting};
use shared::task::scrub::Scrub;
use shared::task::step::{Known, Observation, Step};
use shared::task::wait::Rung;
use shared::task::{ChannelId, Status, TaskId};

use crate::channels::Permit;
use crate::context::{Context, LEASE_SLACK};
use crate::figures::{Turns, Work, count_end, count_turns, record_lateness};
use crate::schedule::{FollowUp, LONGEST_BEAT, due_at};
use fetch::{Answer, fetch};

/// Polls those of `tasks` (at most a hundred, all at `channel`) that still are at their turn. The `room` that
/// it was given at the channel is free for others as soon as the answer is here and may be written.
pub async fn poll(
    context: &Context,
    channel: ChannelId,
    room: Option<Permit>,
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
    let claimed_at = context.now();
    let jobs = context
        .ask_store("read the tasks of a poll", || {
            context.store.poll_jobs(channel.id, tasks)
        })
        .await?;
    count_turns(Work::Poll, Turns::Claimed, jobs.len());
    count_turns(Work::Poll, Turns::Stale, tasks.len() - jobs.len());
    record_latenesses(&jobs, claimed_at);
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    // At its deadline a task gets its last poll, whatever the channel is doing.
    let cooling = channel.cool_until > claimed_at;
    let (asked, resting): (Vec<PollJob>, Vec<PollJob>) = jobs
        .into_iter()
        .partition(|job| !cooling || job.deadline <= claimed_at);
    let answer = ask_and_hold(context, channel, &asked).await;
    // A fetch says nothing of how a submit would do: it only ends a row of rests long after the last.
    let long_well = context.now().since(channel.cool_until) > WELL_AFTER;
    if answer.trouble.is_none() && !asked.is_empty() && long_well {
        context.warm_up(channel).await;
    }
    let rest_until = match &answer.trouble {
        Some(trouble) => context.cool_down(channel, trouble).await,
        None => channel.cool_until,
    };
    // Not before: answers that nobody can write must not gather.
    let _settling = context.channels.take_settle_room().await;
    drop(room);
    let batch = Batch {
        context,
        channel,
        now: context.now(),
        rest_until,
        chance: context.random.unit(),
    };
    let outcomes = asked
        .iter()
        .map(|job| batch.outcome(&answer, job))
        .chain(resting.iter().map(|job| batch.rest(job, 0)));
    batch.settle(outcomes.collect()).await
}

/// How long a poll may be under way before its tasks are held: well below what the sweep leaves a task
/// to the message that is on its way.
const HOLD_AFTER: Duration = Duration::from_secs(5);

/// Asks. Most answers are back in a moment, and then nothing had to be written before; where one is
/// not, the sweep is told to leave the tasks alone for as long as it may take.
async fn ask_and_hold(context: &Context, channel: &Channel, jobs: &[PollJob]) -> Answer {
    let _under_way = context.channels.fetching(channel.id);
    let asking = fetch(context, channel, groups(jobs));
    tokio::pin!(asking);
    tokio::select! {
        answer = &mut asking => return answer,
        () = tokio::time::sleep(HOLD_AFTER) => {}
    }
    let hold = async {
        let tasks: Vec<AtTurn> = jobs.iter().map(|job| job.at).collect();
        let longest = context.settings.fetch_timeout * 2 + LEASE_SLACK;
        let until = context.now().after(longest);
        if let Err(error) = context.store.hold_polls(&tasks, until).await {
            tracing::warn!(%error, "tasks could not be held; they may be polled twice");
        }
    };
    tokio::join!(asking, hold).0
}

/// How long after its last rest a channel counts as well again by its fetches alone.
const WELL_AFTER: Duration = Duration::from_mins(1);

/// What the sweep found was put off by it, and was measured there: only what came by itself counts.
fn record_latenesses(jobs: &[PollJob], now: Millis) {
    for job in jobs {
        if job.due_at.since(now) <= LONGEST_BEAT {
            record_lateness(Work::Poll, now.since(job.due_at));
        }
    }
}

/// The most polls in a row without an answer that a task gets at its deadline: one that hits a 429, or
/// an upstream that restarts, must not decide.
const LAST_TRIES: u32 = 5;

/// The ids to ask about: those that were missing last time in a call of their own, so that one that
/// makes an upstream refuse a whole batch does so to few others.
fn groups(jobs: &[PollJob]) -> Vec<Vec<String>> {
    let (missing, others): (Vec<&PollJob>, Vec<&PollJob>) =
        jobs.iter().partition(|job| job.missing > 0);
    let ids = |jobs: Vec<&PollJob>| jobs.iter().map(|job| job.upstream_id.clone()).collect();
    vec![ids(missing), ids(others)]
}

/// What becomes of one task.
enum Outcome {
    Waits(Waiting, Rung),
    Ends(Finished, TaskId),
}

struct Batch<'a> {
    context: &'a Context,
    channel: &'a Channel,
    now: Millis,
    rest_until: Millis,
    /// One draw for the whole batch: what travels together stays together.
    chance: f64,
}

impl Batch<'_> {
    fn outcome(&self, answer: &Answer, job: &PollJob) -> Outcome {
        if let Some(observation) = answer.known.get(&job.upstream_id) {
            return self.observed(job, observation.clone());
        }
        let at_deadline = job.deadline <= self.now;
        if answer.answered.contains(&job.upstream_id) {
            if at_deadline {
                return give_up(job, "the upstream no longer knew the task at its deadline");
            }
            tracing::debug!(task = %job.task_id, row = job.at.row.0, turn = job.at.turn.0,
                missing = job.missing + 1, "the upstream left this task out of its answer");
            let rung = self.pace(job);
            return Outcome::Waits(self.waits(job, rung, job.missing + 1, None), rung);
        }
        if at_deadline && job.missing + 1 >= LAST_TRIES {
            return give_up(
                job,
                "the upstream did not answer before the task's deadline",
            );
        }
        self.rest(job, u32::from(at_deadline))
    }

    /// The task was asked about and answered.
    fn observed(&self, job: &PollJob, observation: Observation) -> Outcome {
        let known = Known {
            status: job.status,
            progress: job.progress,
            digest: job.digest,
        };
        let only_key = Scrub::default().and(self.channel.key.expose());
        let data = |data: Option<Box<serde_json::value::RawValue>>| {
            data.map(|data| only_key.json(data.get()))
        };
        match observation.step(known) {
            Step::Succeeded { data: result } => ends(job, End::Success, data(result)),
            Step::Failed {
                reason,
                data: result,
            } => {
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
                ends(job, end, data(result))
            }
            _ if job.deadline <= self.now => give_up(
                job,
                "the upstream did not finish the task before its deadline",
            ),
            Step::Same => {
                let rung = self.pace(job);
                Outcome::Waits(self.waits(job, rung, 0, None), rung)
            }
            Step::Moved {
                status,
                progress,
                data: result,
                digest,
            } => {
                let news = News {
                    status,
                    progress,
                    data: data(result),
                    digest,
                };
                tracing::debug!(task = %job.task_id, row = job.at.row.0, turn = job.at.turn.0,
                    status = %news.status, progress = %news.progress, "the task moved");
                let rung = self.pace(job);
                Outcome::Waits(self.waits(job, rung, 0, Some(news)), rung)
            }
        }
    }

    /// The task waits until its channel is well; no poll is counted, and `missed` of its last tries.
    fn rest(&self, job: &PollJob, missed: u32) -> Outcome {
        let left = job.deadline.since(self.now);
        let rest = self.rest_until.since(self.now).max(Duration::from_secs(1));
        let rung = Rung::at_least(rest).min(Rung::at_least(left));
        let due_at = due_at(self.now, rung);
        let (polls, missing) = (job.polls, job.missing + missed);
        Outcome::Waits(
            Waiting {
                at: job.at,
                due_at,
                polls,
                missing,
                news: None,
            },
            rung,
        )
    }

    fn pace(&self, job: &PollJob) -> Rung {
        let left = job.deadline.since(self.now);
        self.context
            .settings
            .pace
            .rung(job.polls + 1, left, self.chance)
    }

    fn waits(&self, job: &PollJob, rung: Rung, missing: u32, news: Option<News>) -> Waiting {
        let due_at = due_at(self.now, rung);
        Waiting {
            at: job.at,
            due_at,
            polls: job.polls + 1,
            missing,
            news,
        }
    }

    /// Writes all outcomes in one transaction; returns what comes next.
    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<Vec<FollowUp>, StoreError> {
        let mut waiting = Vec::new();
        let mut finished = Vec::new();
        let mut ends = Vec::new();
        let mut rungs = HashMap::new();
        for outcome in outcomes {
            match outcome {
                Outcome::Waits(task, rung) => {
                    rungs.insert(task.at.row, rung);
                    waiting.push(task);
                }
                Outcome::Ends(task, name) => {
                    finished.push(task);
                    ends.push(name);
                }
            }
        }
        let store = &self.context.store;
        let settled = self
            .context
            .persist("settle a poll", || {
                store.settle(waiting.clone(), finished.clone(), self.now)
            })
            .await?;
        for (task, name) in finished.iter().zip(&ends) {
            if settled.finished.contains(&task.at.row) {
                note_end(task, name);
            }
        }
        let next = settled.waiting.into_iter().map(|at| FollowUp::Poll {
            channel: self.channel.id,
            at,
            delay: rungs.get(&at.row).copied(),
        });
        Ok(next.collect())
    }
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
    let finished = Finished {
        at: job.at,
        end,
        data,
    };
    Outcome::Ends(finished, job.task_id.clone())
}

fn note_end(task: &Finished, name: &TaskId) {
    let (status, reason) = match &task.end {
        End::Success => (Status::Success, ""),
        End::Failure { reason, .. } => (Status::Failure, reason.as_str()),
    };
    count_end(status);
    tracing::info!(task = %name, row = task.at.row.0, turn = task.at.turn.0, %status, reason,
        "the task ended");
}
