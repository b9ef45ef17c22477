//! Sends a claimed task to its channel, once.

use shared::store::channels::Channel;
use shared::store::turns::{Begun, SubmitJob};
use shared::task::AtTurn;
use shared::task::claims::Trial;
use upstream::Submission;

use super::outcome::Sent;
use crate::context::Context;
use crate::figures::{TurnState, Work, count_turns};
use crate::leases::Lease;
use crate::schedule::FollowUp;

/// A task whose intention is recorded. Its lease is renewed while this lives: until the outcome is written.
pub(super) struct Claimed {
    /// The task, at the turn that its intention gave.
    pub at: AtTurn,
    /// The task as it was before.
    pub job: SubmitJob,
    /// What the submit finds out about its channel.
    pub trial: Trial,
    _lease: Lease,
}

impl Claimed {
    /// Counts the claim, and holds its lease.
    pub fn new(context: &Context, begun: Begun, job: SubmitJob) -> Self {
        count_turns(Work::Submit, TurnState::Claimed, 1);
        Self {
            at: begun.at,
            job,
            trial: begun.trial,
            _lease: context.leases.hold(begun.at),
        }
    }
}

/// Sends the request, and settles the outcome. Returns what is to be published next.
pub(super) async fn send(
    context: &Context,
    channel: &Channel,
    claimed: &Claimed,
) -> Option<FollowUp> {
    let Claimed { job, at, trial, .. } = claimed;
    let driver = context.upstreams.driver(channel)?;
    tracing::debug!(channel = %channel.name, "sending the task");
    let hook = context.hook(channel, &job.task_id);
    let submission = Submission {
        task: &job.task_id,
        action: job.action,
        request: &job.request,
        hook: hook.as_deref(),
    };
    let outcome = driver.submit(channel, submission).await;
    let sent = Sent {
        context,
        job,
        at: *at,
        trial: *trial,
        channel,
        driver,
    };
    let next = sent.settle(outcome).await;
    // A place is free, or more is known of the channel.
    context.looks.notify_one();
    next
}
