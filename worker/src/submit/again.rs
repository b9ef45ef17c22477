//! Submits that may or may not have arrived: only a channel that takes a repeated request for one gets them again, at
//! the same address and with the same key.

use std::time::Duration;

use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::turns::{Intention, Sending, SubmitJob};
use shared::task::AtTurn;
use shared::task::wait::Rung;

use super::Decision;
use super::outcome::{UNKNOWN, fail, send_again};
use super::send::{Claimed, send};
use crate::context::Context;
use crate::figures::{TurnState, Work, count_turns};
use crate::schedule::{FollowUp, due_at};

/// How long after it was due a submit that may have arrived is sent again. Upstreams forget a request's key:
/// a task center after 24 h.
const LONGEST_AGAIN: Duration = Duration::from_hours(12);

/// Sends a task to its channel again, if it may be.
pub(super) async fn again(context: &Context, job: &SubmitJob) -> Decision {
    let Some(channel) = again_at(context, job).await? else {
        tracing::debug!("a submit may or may not have arrived; it is not sent again");
        return Ok(fail(context, job, job.at, UNKNOWN, None, None).await);
    };
    if job.deadline <= context.now() {
        return Ok(fail(context, job, job.at, UNKNOWN, None, None).await);
    }
    // Another worker may be able to call.
    if context.rest.trouble().is_some() {
        return put_off(context, job).await;
    }
    let Some(permit) = context.channels.submit_permit(channel.id) else {
        return put_off(context, job).await;
    };
    let intention = Intention {
        at: job.at,
        channel: channel.id,
        sent_to: channel.address_digest(),
        claim: context.random.number(),
        deadline: job.deadline,
    };
    let begun = context
        .ask_store("claim a submit", || {
            context.batches.begin.call(None, intention)
        })
        .await?;
    // The channel rests or is paused, or another worker has the task: then this changes nothing.
    let Some(begun) = begun else {
        return put_off(context, job).await;
    };
    let claimed = Claimed::new(context, begun, job.clone());
    let next = send(context, &channel, &claimed).await;
    drop(permit);
    Ok(next)
}

/// Ends a submit whose worker is dead: nobody knows whether the request arrived. An idempotent channel gets it
/// again.
pub(crate) async fn end_orphan(context: &Context, at: AtTurn) -> Decision {
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
    Ok(fail(context, &job, at, UNKNOWN, None, None).await)
}

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

/// Sends the task back to a waiting queue; no upstream was called.
async fn put_off(context: &Context, job: &SubmitJob) -> Decision {
    let now = context.now();
    let channels = context.channels.all().await?;
    let channel = channels
        .iter()
        .find(|channel| job.last_channel == Some(channel.id));
    let rests = channel.map_or(Duration::ZERO, |channel| channel.cool_until.since(now));
    let rung = Rung::at_least(rests).min(Rung::at_least(job.deadline.since(now)));
    let due_at = due_at(now, rung);
    let put_off = context
        .ask_store("put a task off", || {
            let at = [job.at];
            async move { context.store.postpone(&at, due_at).await }
        })
        .await?;
    tracing::debug!(
        seconds = rung.seconds(),
        "the task's channel has no room, or rests: the task waits"
    );
    Ok(put_off.first().map(|at| FollowUp::Submit {
        at: *at,
        delay: Some(rung),
    }))
}
