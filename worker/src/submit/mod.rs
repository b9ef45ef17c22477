//! One message, one submit: reads the task, finds a channel with a free slot, and sends the task once.
//! [`outcome`] says what the answer means.

pub(crate) mod batches;
mod outcome;

use std::time::Duration;

use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::turns::{Begun, Intention, Sending, SubmitJob};
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId};
use tracing::field::display;

use crate::channels::choice::{Choice, choose};
use crate::channels::{MAX_AGE, Permit};
use crate::context::Context;
use crate::figures::{TurnState, Work, count_turns, record_lateness};
use crate::schedule::{FollowUp, due_at};
use outcome::{Sent, UNKNOWN, fail, send_again};
use upstream::{Driver, Submission};

/// The longest time that a message is held while all channels are full; then it goes back to a queue.
const LONGEST_HOLD: Duration = Duration::from_mins(1);
/// The longest pause between two looks for a free slot in that time.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// The wait of a task that no channel, or no driver of this worker, can take now.
const NO_CHANNEL: Duration = Duration::from_secs(30);

/// What to publish next for a message, if anything.
pub type Decision = Result<Option<FollowUp>, StoreError>;

/// Submits the task, if it still is at its turn.
pub async fn submit(context: &Context, at: AtTurn) -> Decision {
    let job = context
        .ask_store("read a task to submit", || {
            context.batches.read.call(None, at)
        })
        .await?;
    let Some(job) = job else {
        count_turns(Work::Submit, TurnState::Stale, 1);
        tracing::debug!("a stale message; nothing to do");
        return Ok(None);
    };
    tracing::Span::current().record("task", display(&job.task_id));
    match job.sending {
        Sending::NotSent => {}
        Sending::Orphaned { .. } => {
            // A message is no evidence that the worker with this intention is dead: the sweep finds out.
            count_turns(Work::Submit, TurnState::Stale, 1);
            tracing::debug!("another worker is sending the task; nothing to do");
            return Ok(None);
        }
        Sending::Again { .. } => {
            if again_at(context, &job).await?.is_none() {
                tracing::debug!("a submit may or may not have arrived; it is not sent again");
                return Ok(fail(context, &job, at, UNKNOWN, None).await);
            }
        }
    }
    if job.deadline <= context.now() {
        let reason = match job.sending {
            Sending::NotSent => "no channel could take the task before its deadline",
            _ => UNKNOWN,
        };
        return Ok(fail(context, &job, at, reason, None).await);
    }
    let Some(driver) = context.upstreams.driver(job.platform) else {
        tracing::warn!(platform = %job.platform, "this worker has no driver for the task's platform");
        return put_off(context, &job, NO_CHANNEL).await;
    };
    match find_slot(context, &job).await? {
        // The channel was changed just now: another account may not know the first request.
        Found::Slot(channel, _) if !is_the_same(&job, &channel) => {
            Ok(fail(context, &job, at, UNKNOWN, None).await)
        }
        // Another worker may be able to call.
        Found::Slot(..) if context.rest.trouble().is_some() => {
            put_off(context, &job, Rung::SHORTEST.duration()).await
        }
        Found::Slot(channel, permit) => {
            let decision = send(context, &job, &channel, driver).await;
            drop(permit);
            decision
        }
        Found::Wait(wait) => put_off(context, &job, wait).await,
    }
}

/// Ends a submit whose worker is dead: nobody knows whether the request arrived. An idempotent channel gets it
/// again.
pub async fn end_orphan(context: &Context, at: AtTurn) -> Decision {
    let job = context.store.submit_job(at).await?;
    let Some(job) = job.filter(|job| matches!(job.sending, Sending::Orphaned { .. })) else {
        return Ok(None);
    };
    count_turns(Work::Submit, TurnState::Orphaned, 1);
    if let Some(channel) = again_at(context, &job).await? {
        let what = "a worker died before it recorded the answer";
        let again = send_again(context, &job, at, &channel, what, Rung::SHORTEST);
        return Ok(again.await);
    }
    tracing::warn!(task = %job.task_id, row = at.row.0, turn = at.turn.0,
        "a worker died between sending this task and recording the answer; it is not sent again");
    Ok(fail(context, &job, at, UNKNOWN, None).await)
}

enum Found {
    Slot(Box<Channel>, Permit),
    Wait(Duration),
}

/// How long after it was due a submit that may have arrived is sent again. Upstreams forget a request's key:
/// a task center after 24 h.
const LONGEST_AGAIN: Duration = Duration::from_hours(12);

/// The channel of a submit that may have arrived, if it may be sent there again: the channel takes a repeated
/// request for one, has the address and the key that the request was sent with, not all attempts are used,
/// and the request is not too old.
async fn again_at(context: &Context, job: &SubmitJob) -> Result<Option<Channel>, StoreError> {
    let channels = context
        .ask_store("read the channels", || context.channels.all())
        .await?;
    let channel = channels.iter().find(|channel| {
        job.last_channel == Some(channel.id)
            && channel.idempotent
            && job.sending.sent_to() == Some(channel.address_digest())
    });
    // An orphan's attempt is not counted yet.
    let attempts = job.attempts + u32::from(matches!(job.sending, Sending::Orphaned { .. }));
    Ok(channel
        .filter(|_| attempts < context.settings.submit_attempts)
        .filter(|_| context.now().since(job.due_at) < LONGEST_AGAIN)
        .cloned())
}

/// Whether the channel has the address and the key that the request was sent with, if it may have arrived.
fn is_the_same(job: &SubmitJob, channel: &Channel) -> bool {
    let sent_to = job.sending.sent_to();
    sent_to.is_none_or(|sent_to| sent_to == channel.address_digest())
}

/// The one channel that can take the task, if there is only one.
fn only_channel(job: &SubmitJob) -> Option<ChannelId> {
    match job.sending {
        Sending::NotSent => job.pinned,
        _ => job.last_channel,
    }
}

/// Finds a channel that may take the task and has a free slot. A task that any channel could take waits
/// here for a slot, which holds back the queue. A task that one channel can take goes back to a queue, so
/// that its full channel does not hold back tasks of the others.
async fn find_slot(context: &Context, job: &SubmitJob) -> Result<Found, StoreError> {
    let started = context.now();
    let only = only_channel(job);
    let avoid = job.last_channel.filter(|_| job.attempts > 0);
    loop {
        let channels = context
            .ask_store("read the channels", || context.channels.all())
            .await?;
        let now = context.now();
        let chance = || context.random.unit();
        let order = match choose(&channels, job.platform, only, avoid, now, chance) {
            Choice::Take(order) => order,
            Choice::Cooling(until) => return Ok(Found::Wait(until.since(now))),
            // The task's channel may be younger than the list.
            Choice::Nobody if now.since(started) <= MAX_AGE && !context.stop.is_requested() => {
                tokio::time::sleep(MAX_AGE + Duration::from_millis(10)).await;
                continue;
            }
            Choice::Nobody => return Ok(Found::Wait(NO_CHANNEL)),
        };
        if let Some((id, permit)) = context.channels.submit_permit(&order)
            && let Some(channel) = channels.iter().find(|channel| channel.id == id)
        {
            return Ok(Found::Slot(Box::new(channel.clone()), permit));
        }
        let waited = now.since(started);
        if only.is_some() || waited > LONGEST_HOLD || context.stop.is_requested() {
            return Ok(Found::Wait(Rung::SHORTEST.duration()));
        }
        context.channels.submit_ended(LONGEST_LOOK).await;
    }
}

/// Sends the task back to a waiting queue; no upstream was called.
async fn put_off(context: &Context, job: &SubmitJob, wait: Duration) -> Decision {
    let now = context.now();
    let rung = Rung::at_least(wait).min(Rung::at_least(job.deadline.since(now)));
    let due_at = due_at(now, rung);
    let put_off = context
        .ask_store("put a task off", || {
            let at = [job.at];
            async move { context.store.postpone(&at, due_at).await }
        })
        .await?;
    tracing::debug!(
        seconds = rung.seconds(),
        "no channel has room, or all rest: the task waits"
    );
    Ok(put_off.first().map(|at| FollowUp::Submit {
        at: *at,
        delay: Some(rung),
    }))
}

/// Records the intention to send the task, sends the request, and settles the outcome.
async fn send(
    context: &Context,
    job: &SubmitJob,
    channel: &Channel,
    driver: Driver<'_>,
) -> Decision {
    let intention = Intention {
        at: job.at,
        channel: channel.id,
        sent_to: channel.address_digest(),
        claim: context.random.number(),
    };
    let claimed = context
        .ask_store("claim a submit", || {
            context.batches.begin.call(None, intention)
        })
        .await?;
    let Some(Begun { at, .. }) = claimed else {
        count_turns(Work::Submit, TurnState::Stale, 1);
        return Ok(None);
    };
    count_turns(Work::Submit, TurnState::Claimed, 1);
    tracing::debug!(task = %job.task_id, turn = at.turn.0, channel = %channel.name, "sending the task");
    // Until the outcome is written.
    let _lease = context.leases.hold(at);
    record_lateness(Work::Submit, context.now().since(job.due_at));
    let submission = Submission {
        task: &job.task_id,
        action: job.action,
        request: &job.request,
    };
    let outcome = driver.submit(channel, submission).await;
    let sent = Sent {
        context,
        job,
        at,
        channel,
        driver,
    };
    Ok(sent.settle(outcome).await)
}
