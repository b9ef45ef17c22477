//! What the outcome of a submit means for its task: a poll, another try, or the end.

use shared::process::telemetry::cut;
use shared::store::channels::Channel;
use shared::store::turns::{Accepted, Finished, Retry, SubmitJob};
use shared::task::cool_down::CoolDown;
use shared::task::scrub::Scrub;
use shared::task::wait::{Rung, retry_rung};
use shared::task::{AtTurn, End};

use crate::context::Context;
use crate::ended::{Ending, LOGGED_ID, settle};
use crate::rest::is_at_fault;
use crate::schedule::{FollowUp, due_at};
use upstream::connect::NoConnection;
use upstream::{Driver, SubmitOutcome, Trouble};

/// The reason of a task whose submit may or may not have arrived.
pub(super) const UNKNOWN: &str = "it is not known whether the upstream received the task, and it is \
                                  not sent twice; the quota was given back";

/// A task that was sent.
pub(super) struct Sent<'a> {
    pub context: &'a Context,
    pub job: &'a SubmitJob,
    /// The task, at the turn that its intention gave.
    pub at: AtTurn,
    pub channel: &'a Channel,
    pub driver: Driver<'a>,
}

impl Sent<'_> {
    /// Writes the outcome, before anything else is done: only this worker knows it.
    pub async fn settle(self, outcome: SubmitOutcome) -> Option<FollowUp> {
        match outcome {
            SubmitOutcome::Accepted(upstream_id) => {
                let next = self.accepted(upstream_id).await;
                self.context.warm_up(self.channel).await;
                next
            }
            SubmitOutcome::Refused(message) => {
                let reason = match self.shown(&message) {
                    empty if empty.is_empty() => "the upstream refused the task".to_owned(),
                    reason => reason,
                };
                self.fail(&reason).await
            }
            SubmitOutcome::NotArrived(trouble) => self.not_arrived(trouble).await,
            SubmitOutcome::NotConnected(why) => self.not_connected(why).await,
            SubmitOutcome::Unknown(what) => self.unknown(what).await,
        }
    }

    async fn accepted(&self, upstream_id: String) -> Option<FollowUp> {
        let Self {
            context,
            job,
            at,
            channel,
            ..
        } = self;
        let now = context.now();
        let left = job.deadline.since(now);
        let rung = context.settings.pace.rung(0, left, context.random.unit());
        let accepted = Accepted {
            at: *at,
            channel: channel.id,
            upstream_id,
            due_at: due_at(now, rung),
        };
        let polling = context
            .persist("record an accepted task", || {
                context.batches.accept.call(None, accepted.clone())
            })
            .await;
        let Some(next) = polling else {
            // Either a first try recorded the task and its answer was lost: then the sweep finds the
            // task. Or another worker took this one for dead, and ended the task.
            tracing::error!(task = %job.task_id, turn = at.turn.0, channel = %channel.name,
                upstream_id = &*cut(&accepted.upstream_id, LOGGED_ID),
                "the upstream accepted a task that is at another turn by now");
            return None;
        };
        tracing::debug!(task = %job.task_id, turn = next.turn.0, channel = %channel.name,
            "the upstream accepted the task");
        Some(FollowUp::Poll {
            channel: channel.id,
            at: next,
            delay: Some(rung),
        })
    }

    /// An idempotent channel gets the request again. Otherwise the task ends.
    async fn unknown(&self, what: String) -> Option<FollowUp> {
        let Self {
            context,
            job,
            at,
            channel,
            ..
        } = self;
        let what_happened = self.shown(&what);
        tracing::warn!(task = %job.task_id, channel = %channel.name, what = what_happened,
            "no answer says whether the upstream accepted the task");
        let trouble = Trouble::broken("unknown", what);
        let attempts = job.attempts + 1;
        if !channel.idempotent || attempts >= context.settings.submit_attempts {
            let next = self.fail(UNKNOWN).await;
            context.cool_down(channel, &trouble).await;
            return next;
        }
        let until = context.cool_down(channel, &trouble).await;
        let rested = Rung::at_least(until.since(context.now()));
        let wait = retry_rung(attempts).max(rested);
        send_again(context, job, *at, channel, &what_happened, wait).await
    }

    /// Schedules another try: soon if another channel is well, else when this channel may be well.
    async fn not_arrived(&self, trouble: Trouble) -> Option<FollowUp> {
        let Self {
            context,
            job,
            at,
            channel,
            ..
        } = self;
        let until = context.cool_down(channel, &trouble).await;
        let now = context.now();
        // An earlier request may have arrived: the task stays with this channel.
        let may_have_arrived = job.sending.may_have_arrived();
        let elsewhere = !may_have_arrived && self.another_is_well().await;
        // "Not now" does not count as an attempt. Nor does a channel that refuses our key, while
        // another channel may take the task.
        let refused = trouble.kind == CoolDown::Refusal;
        let counted = !(trouble.busy || refused && elsewhere);
        let attempts = job.attempts + u32::from(counted);
        if counted && attempts >= context.settings.submit_attempts {
            if may_have_arrived {
                return self.fail(UNKNOWN).await;
            }
            let said = self.shown(&trouble.said);
            let reason = format!("no channel could take the task in {attempts} attempts: {said}");
            return self.fail(&reason).await;
        }
        let rested = Rung::at_least(until.since(now));
        let rung = match (elsewhere, trouble.busy) {
            (true, _) => Rung::SHORTEST,
            (false, true) => rested,
            (false, false) => retry_rung(attempts).max(rested),
        };
        let rung = rung.min(Rung::at_least(job.deadline.since(now)));
        let what = self.shown(&trouble.what);
        let (name, seconds) = (&channel.name, rung.seconds());
        let retry = Retry {
            at: *at,
            counted,
            may_have_arrived,
            reason: format!("channel {name}: {what}; again in {seconds} s"),
            due_at: due_at(now, rung),
        };
        let again = try_again(context, &retry, rung).await;
        if again.is_some() {
            tracing::debug!(task = %job.task_id, channel = %channel.name, what, attempts, seconds,
                "a submit did not arrive; it is tried again");
        }
        again
    }

    /// Leaves the task to other workers if this one is at fault: no attempt is counted.
    async fn not_connected(&self, why: NoConnection) -> Option<FollowUp> {
        let Self {
            context,
            job,
            at,
            channel,
            ..
        } = self;
        if !is_at_fault(context, channel, &why).await {
            return self.not_arrived(Trouble::no_connection(&why)).await;
        }
        let now = context.now();
        let rung = Rung::SHORTEST;
        let retry = Retry {
            at: *at,
            counted: false,
            // An earlier request may have arrived.
            may_have_arrived: job.sending.may_have_arrived(),
            reason: format!(
                "a worker in trouble did not reach channel {}; again in {} s",
                channel.name,
                rung.seconds()
            ),
            due_at: due_at(now, rung),
        };
        try_again(context, &retry, rung).await
    }

    /// Whether another channel, with no trouble of late, may take the task now.
    async fn another_is_well(&self) -> bool {
        let now = self.context.now();
        let channels = self.context.channels.all().await.unwrap_or_default();
        self.job.pinned.is_none()
            && channels
                .iter()
                .filter(|other| other.id != self.channel.id)
                .filter(|other| other.platform == self.job.platform && other.enabled)
                .any(|other| other.cool_until <= now && other.cool_count == 0)
    }

    async fn fail(&self, reason: &str) -> Option<FollowUp> {
        fail(self.context, self.job, self.at, reason, Some(self.channel)).await
    }

    /// The upstream's words as anybody may see them: without the channel's secrets and the upstream's id of
    /// the task that this one continues. If that id is not known, no word is shown.
    fn shown(&self, words: &str) -> String {
        let scrub = Scrub::channel(&self.channel.base_url, &self.channel.key);
        match self.driver.continued_id(&self.job.request) {
            Some(continued) => scrub.and(&continued).reason(words),
            None if self.job.pinned.is_some() => "the upstream's words are hidden".to_owned(),
            None => scrub.reason(words),
        }
    }
}

/// Schedules another try of a submit that may have arrived, at the same channel: the channel takes both for
/// one. Counts the attempt that came before.
pub(super) async fn send_again(
    context: &Context,
    job: &SubmitJob,
    at: AtTurn,
    channel: &Channel,
    what: &str,
    wait: Rung,
) -> Option<FollowUp> {
    let now = context.now();
    let rung = wait.min(Rung::at_least(job.deadline.since(now)));
    let (name, seconds) = (&channel.name, rung.seconds());
    let retry = Retry {
        at,
        counted: true,
        may_have_arrived: true,
        reason: format!("channel {name}: {what}; again there in {seconds} s"),
        due_at: due_at(now, rung),
    };
    let again = try_again(context, &retry, rung).await;
    if again.is_some() {
        tracing::debug!(task = %job.task_id, channel = %channel.name, what, seconds,
            "a submit may or may not have arrived; the idempotent channel gets it again");
    }
    again
}

async fn try_again(context: &Context, retry: &Retry, rung: Rung) -> Option<FollowUp> {
    let again = context
        .persist("put a submit off", || {
            context.store.retry_submit(retry.clone(), context.now())
        })
        .await;
    again.map(|at| FollowUp::Submit {
        at,
        delay: Some(rung),
    })
}

/// Ends the task as FAILURE, and refunds it.
pub(super) async fn fail(
    context: &Context,
    job: &SubmitJob,
    at: AtTurn,
    reason: &str,
    channel: Option<&Channel>,
) -> Option<FollowUp> {
    let end = End::Failure {
        reason: reason.to_owned(),
        channel: channel.map(|channel| channel.id),
        given_up: false,
    };
    let ending = Ending {
        task_id: job.task_id.clone(),
        finished: Finished {
            at,
            end,
            data: None,
        },
    };
    let now = context.now();
    settle(context, "end a task", Vec::new(), vec![ending], now).await;
    None
}
