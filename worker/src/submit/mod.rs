//! One message, one submit: the task is read, given a channel with room, and sent. What its outcome
//! means stands in `submit/outcome.rs`.

mod outcome;

use std::time::Duration;

use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::turns::{AtTurn, Begun, Intention, SubmitJob};
use shared::task::wait::Rung;
use tracing::field::display;

use crate::channels::Permit;
use crate::channels::choice::{Choice, choose};
use crate::context::{Context, LEASE_SLACK};
use crate::figures::{Turns, Work, count_turns, record_lateness};
use crate::schedule::{FollowUp, due_at};
use outcome::{Sent, UNKNOWN, fail};

/// How long a message is held while every channel is full, before it goes back to wait in a queue.
const LONGEST_WAIT_FOR_ROOM: Duration = Duration::from_mins(1);
/// How often it looks again in that time, at least.
const LOOK_FOR_ROOM_EVERY: Duration = Duration::from_secs(1);

/// What becomes of a message: what to publish next, if anything.
pub type Decision = Result<Option<FollowUp>, StoreError>;

/// Submits the task, if it still is at its turn.
pub async fn submit(context: &Context, at: AtTurn) -> Decision {
    let job = context
        .ask_store("read a task to submit", || read(context, at))
        .await?;
    let Some(job) = job else {
        count_turns(Work::Submit, Turns::Stale, 1);
        tracing::debug!("a stale message; nothing to do");
        return Ok(None);
    };
    tracing::Span::current().record("task", display(&job.task_id));
    if job.intention {
        count_turns(Work::Submit, Turns::Orphaned, 1);
        tracing::warn!(
            "a worker died between sending this task and recording the answer; it is not sent again"
        );
        return fail(context, &job, at, UNKNOWN, None).await;
    }
    if job.deadline <= context.now() {
        let reason = "no channel could take the task before its deadline";
        return fail(context, &job, at, reason, None).await;
    }
    match find_room(context, &job).await? {
        Found::Permit(channel, room) => {
            let decision = send(context, &job, &channel).await;
            drop(room);
            decision
        }
        Found::Wait(wait) => put_off(context, &job, wait).await,
    }
}

/// The task, read together with those that others submit now.
async fn read(context: &Context, at: AtTurn) -> Result<Option<SubmitJob>, StoreError> {
    let is_of = |at: &AtTurn, job: &SubmitJob| job.at == *at;
    let read = |tasks: Vec<AtTurn>| async move { context.store.submit_jobs(&tasks).await };
    context.submits.read.serve(at, is_of, read).await
}

/// The intention, recorded together with those of others.
async fn begin(context: &Context, intention: Intention) -> Result<Option<Begun>, StoreError> {
    let is_of =
        |one: &Intention, begun: &Begun| begun.at.row == one.at.row && begun.claim == one.claim;
    let begin = |intentions: Vec<Intention>| async move {
        let now = context.now();
        // Twice the slack of a poll: what is lost here is lost for good.
        let lease = now.after(context.settings.submit_timeout + 2 * LEASE_SLACK);
        context.store.begin_submits(&intentions, lease, now).await
    };
    context.submits.begin.serve(intention, is_of, begin).await
}

enum Found {
    Permit(Box<Channel>, Permit),
    Wait(Duration),
}

/// A channel that may take the task and has room. A task that any channel could take waits here for
/// room: that is what holds back the queue. A continuation goes back to wait, so that its one full
/// channel does not hold back the others.
async fn find_room(context: &Context, job: &SubmitJob) -> Result<Found, StoreError> {
    let started = context.now();
    loop {
        let channels = context
            .ask_store("read the channels", || context.channels.all())
            .await?;
        let now = context.now();
        let avoid = if job.attempts > 0 {
            job.last_channel
        } else {
            None
        };
        let chance = || context.random.unit();
        let order = match choose(&channels, job.platform, job.pinned, avoid, now, chance) {
            Choice::Take(order) => order,
            Choice::Cooling(until) => return Ok(Found::Wait(until.since(now))),
            Choice::Nobody => {
                return Ok(Found::Wait(
                    Rung::at_least(Duration::from_secs(30)).duration(),
                ));
            }
        };
        if let Some((id, room)) = context.channels.take_submit_room(&order)
            && let Some(channel) = channels.iter().find(|channel| channel.id == id)
        {
            return Ok(Found::Permit(Box::new(channel.clone()), room));
        }
        let waited = now.since(started);
        if job.pinned.is_some() || waited > LONGEST_WAIT_FOR_ROOM || context.stop.is_requested() {
            return Ok(Found::Wait(Rung::SHORTEST.duration()));
        }
        context.channels.submit_ended(LOOK_FOR_ROOM_EVERY).await;
    }
}

/// Puts the task off without having asked anybody.
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

/// Sends the task, once, its intention recorded before.
async fn send(context: &Context, job: &SubmitJob, channel: &Channel) -> Decision {
    let claim = context.random.number();
    let claimed = context
        .ask_store("claim a submit", || {
            let intention = Intention {
                at: job.at,
                channel: channel.id,
                claim,
            };
            begin(context, intention)
        })
        .await?;
    let Some(Begun { at, .. }) = claimed else {
        count_turns(Work::Submit, Turns::Stale, 1);
        return Ok(None);
    };
    count_turns(Work::Submit, Turns::Claimed, 1);
    tracing::debug!(task = %job.task_id, turn = at.turn.0, channel = %channel.name, "sending the task");
    record_lateness(Work::Submit, context.now().since(job.due_at));
    let outcome = context
        .platform(job.platform)
        .submit(channel, job.action, &job.request)
        .await;
    let sent = Sent {
        context,
        job,
        at,
        channel,
    };
    sent.settle(outcome).await
}
