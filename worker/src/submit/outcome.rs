//! What the outcome of a submit means for its task: a poll, another try, or the end.

use shared::process::telemetry::cut;
use shared::store::channels::{Calls, Channel};
use shared::store::turns::{Accepted, Finished, Retry, SubmitJob};
use shared::task::claims::Trial;
use shared::task::cool_down::CoolDown;
use shared::task::wait::{Rung, retry_rung};
use shared::task::{AtTurn, End};
use upstream::connect::NoConnection;
use upstream::{Driver, Made, SubmitOutcome, Trouble};

use crate::context::Context;
use crate::ended::{Ending, LOGGED_ID, settle};
use crate::rest::is_at_fault;
use crate::schedule::{FollowUp, due_at};

/// The reason of a task whose submit may or may not have arrived.
pub(super) const UNKNOWN: &str = "it is not known whether the upstream received the task, and it is \
                                  not sent twice; the quota was given back";

/// A task that was sent.
pub(super) struct Sent<'a> {
    pub context: &'a Context,
    pub job: &'a SubmitJob,
    /// The task, at the turn that its intention gave.
    pub at: AtTurn,
    /// What the submit was to find out about its channel.
    pub trial: Trial,
    pub channel: &'a Channel,
    pub driver: Driver<'a>,
}

/// How a submit that did not arrive is tried again.
enum Again {
    /// It counts as an attempt, and waits so long; at once if another channel may take it.
    Counted,
    /// It goes back to its line, as if it had not been sent.
    InLine,
    /// It waits a moment, for another worker: this one is at fault.
    Elsewhere,
}

impl Sent<'_> {
    /// Writes the outcome, before anything else is done: only this worker knows it.
    pub async fn settle(self, outcome: SubmitOutcome) -> Option<FollowUp> {
        match outcome {
            SubmitOutcome::Accepted(upstream_id) => {
                let next = self.accepted(upstream_id).await;
                self.note_accepted().await;
                next
            }
            SubmitOutcome::Made(made) => {
                self.made(made).await;
                self.note_accepted().await;
                None
            }
            SubmitOutcome::Refused(refusal) => {
                let reason = match self.shown(&refusal.words) {
                    empty if empty.is_empty() => "the upstream refused the task".to_owned(),
                    reason => reason,
                };
                let what = self.shown(&refusal.what);
                let next = self.fail(&reason, Some(&what)).await;
                self.note_answered().await;
                next
            }
            SubmitOutcome::NotArrived(trouble) => self.not_arrived(trouble, Calls::Submits).await,
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
        let left = Rung::at_least(context.settings.task_timeout);
        let plan = context.channels.plan(channel.id);
        // The channel may be so new that there is no plan.
        let initial = Rung::at_least(context.settings.pace.initial);
        let rung = plan.first(job.action).max(initial).min(left);
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

    /// Ends the task with the result that came in the answer.
    async fn made(&self, made: Made) {
        let Self { context, job, .. } = self;
        let scrub = context.scrub_result(self.channel, &job.task_id);
        let end = End::SuccessAtOnce {
            channel: self.channel.id,
            upstream_id: made.upstream_id.unwrap_or_default(),
        };
        let ending = Ending {
            task_id: job.task_id.clone(),
            heard: None,
            finished: Finished {
                at: self.at,
                end,
                data: Some(scrub.json(made.data.get())),
            },
        };
        let now = context.now();
        settle(context, "end a task", Vec::new(), vec![ending], now).await;
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
        tracing::warn!(channel = %channel.name, what = what_happened,
            "no answer says whether the upstream accepted the task");
        let trouble = Trouble::broken("unknown", what);
        let attempts = job.attempts + 1;
        if !channel.idempotent || attempts >= context.settings.submit_attempts {
            let next = self.fail(UNKNOWN, Some(&what_happened)).await;
            self.note_failed(&trouble, Calls::Submits).await;
            return next;
        }
        let rests_until = self.note_failed(&trouble, Calls::Submits).await;
        let rests = rests_until.map(|until| Rung::at_least(until.since(context.now())));
        let wait = retry_rung(attempts).max(rests.unwrap_or(Rung::SHORTEST));
        send_again(context, job, *at, channel, &what_happened, wait).await
    }

    /// The request did not arrive: the task is tried again, unless it was tried often enough.
    async fn not_arrived(&self, trouble: Trouble, calls: Calls) -> Option<FollowUp> {
        if trouble.busy {
            // "Not now" does not count as an attempt.
            let again = self.try_again(Again::InLine, &trouble).await;
            self.note_busy(&trouble).await;
            return again;
        }
        self.note_failed(&trouble, calls).await;
        // Nor does a channel that refuses our key, while another channel may take the task.
        let is_refusal = trouble.kind == CoolDown::Refusal;
        if is_refusal && self.another_is_well(|_| true).await {
            return self.try_again(Again::InLine, &trouble).await;
        }
        let attempts = self.job.attempts + 1;
        if attempts < self.context.settings.submit_attempts {
            return self.try_again(Again::Counted, &trouble).await;
        }
        // An earlier request may have arrived.
        if self.job.sending.may_have_arrived() {
            let what = self.shown(&trouble.what);
            return self.fail(UNKNOWN, Some(&what)).await;
        }
        let said = self.shown(&trouble.said);
        let reason = format!("no channel could take the task in {attempts} attempts: {said}");
        let what = self.shown(&trouble.what);
        self.fail(&reason, Some(&what)).await
    }

    /// Leaves the task to other workers if this one is at fault: no attempt is counted.
    async fn not_connected(&self, why: NoConnection) -> Option<FollowUp> {
        let trouble = Trouble::no_connection(&why);
        if is_at_fault(self.context, self.channel, &why).await {
            let again = self.try_again(Again::Elsewhere, &trouble).await;
            self.end_trial().await;
            return again;
        }
        self.not_arrived(trouble, Calls::Both).await
    }

    /// Schedules another try. A task whose request may have arrived stays with this channel, and its message says when
    /// it is sent again; any other task goes back to its line.
    async fn try_again(&self, again: Again, trouble: &Trouble) -> Option<FollowUp> {
        let Self {
            context,
            job,
            at,
            channel,
            ..
        } = self;
        let may_have_arrived = job.sending.may_have_arrived();
        let counted = matches!(again, Again::Counted);
        let rung = match again {
            Again::InLine if !may_have_arrived => None,
            // A channel that never took a task may be as broken as this one: a failure there would cost an attempt.
            Again::Counted if self.another_is_well(|other| other.proven).await => None,
            Again::InLine | Again::Elsewhere => Some(Rung::SHORTEST),
            Again::Counted => Some(retry_rung(job.attempts + 1)),
        };
        let now = context.now();
        let rung = rung.map(|rung| rung.min(Rung::at_least(job.deadline.since(now))));
        let name = &channel.name;
        let what = match again {
            Again::Elsewhere => format!("a worker in trouble did not reach channel {name}"),
            _ => format!("channel {name}: {}", self.shown(&trouble.what)),
        };
        let when = match rung {
            Some(rung) => format!("again in {} s", rung.seconds()),
            None => "it waits for its turn".to_owned(),
        };
        let heard = match again {
            Again::Elsewhere => None,
            _ => Some(self.shown(&trouble.said)),
        };
        let retry = Retry {
            at: *at,
            counted,
            may_have_arrived,
            reason: format!("{what}; {when}"),
            heard,
            due_at: rung.map_or(now, |rung| due_at(now, rung)),
        };
        let at = put_back(context, &retry).await?;
        tracing::debug!(channel = %name, what, counted, "a submit did not arrive; it is tried again");
        // What stands in a line is found there when it is due.
        may_have_arrived.then_some(FollowUp::Submit { at, delay: rung })
    }

    fn may_go_elsewhere(&self) -> bool {
        self.job.pinned.is_none() && !self.job.sending.may_have_arrived()
    }

    /// Whether another channel such as `wanted`, with no trouble of late, may take the task now.
    async fn another_is_well(&self, wanted: impl Fn(&Channel) -> bool) -> bool {
        let now = self.context.now();
        let channels = self.context.channels.all().await.unwrap_or_default();
        self.may_go_elsewhere()
            && channels
                .iter()
                .filter(|other| other.id != self.channel.id)
                .filter(|other| other.platform == self.job.platform && other.enabled)
                .filter(|other| other.actions.serves(self.job.action) && other.paused_until <= now)
                .filter(|other| other.cool_until <= now && other.cool_count == 0)
                .any(wanted)
    }

    /// Ends the task; `heard` is what the upstream said, for an operator.
    async fn fail(&self, reason: &str, heard: Option<&str>) -> Option<FollowUp> {
        let channel = Some(self.channel);
        fail(self.context, self.job, self.at, reason, heard, channel).await
    }

    /// The upstream's words as anybody may see them: without the channel's secrets and the upstream's id of
    /// the task that this one continues. If that id is not known, no word is shown.
    fn shown(&self, words: &str) -> String {
        let scrub = self.context.scrub_words(self.channel, &self.job.task_id);
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
        heard: None,
        due_at: due_at(now, rung),
    };
    let at = put_back(context, &retry).await?;
    tracing::debug!(task = %job.task_id, channel = %channel.name, what, seconds,
        "a submit may or may not have arrived; the idempotent channel gets it again");
    Some(FollowUp::Submit {
        at,
        delay: Some(rung),
    })
}

/// Withdraws an intention. `None`: another worker took this one for dead.
async fn put_back(context: &Context, retry: &Retry) -> Option<AtTurn> {
    context
        .persist("put a submit off", || {
            context.store.retry_submit(retry.clone(), context.now())
        })
        .await
}

/// Ends the task as FAILURE, and refunds it. `heard`: what the upstream said last, for an operator.
pub(super) async fn fail(
    context: &Context,
    job: &SubmitJob,
    at: AtTurn,
    reason: &str,
    heard: Option<&str>,
    channel: Option<&Channel>,
) -> Option<FollowUp> {
    let end = End::Failure {
        reason: reason.to_owned(),
        channel: channel.map(|channel| channel.id),
        given_up: false,
    };
    let ending = Ending {
        task_id: job.task_id.clone(),
        heard: heard.map(str::to_owned),
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
