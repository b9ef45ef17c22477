//! The sweep: whatever was forgotten on the way is found here. A queue that was purged, a broker
//! that was down, a worker that died between commit and publish: all of it is a short delay.

use std::sync::Arc;
use std::time::Duration;

use shared::backoff::jittered;
use shared::broker::Queue;
use shared::clock::Millis;
use shared::store::submissions::IDEMPOTENCY_KEPT;
use shared::store::turns::{AtTurn, Overdue};

use crate::context::{Context, LONGEST_PAUSE};
use crate::figures::{Work, count_sweep, count_swept, record_overdue};
use crate::schedule::{FollowUp, publish_now};

/// How often each worker sweeps.
const EVERY: Duration = Duration::from_secs(5);
/// How long past its `due_at` a task is left to the message that is on its way.
const GRACE: Duration = Duration::from_secs(10);
/// For how long a task that was swept is left alone, at least. Its message was lost only if the
/// broker lost it, or whoever swept died before it was published.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The same at most: its message may stand in a long queue, where more copies of it help nobody.
const AGAIN_AFTER_AT_MOST: Duration = Duration::from_mins(10);
/// How many messages a second are taken from a long queue, at the least.
const TAKEN_A_SECOND: u64 = 100;
/// How many tasks one statement takes.
const AT_ONCE: u32 = 1000;
/// How many old idempotency keys one round forgets.
const FORGET_AT_ONCE: u32 = 1000;

/// Sweeps until a stop is asked for. Where the broker keeps nothing over a restart, nothing can be
/// on its way yet: the first sweep has no grace then.
pub async fn run(context: Arc<Context>) {
    let mut grace = if context.broker.is_durable() {
        GRACE
    } else {
        Duration::ZERO
    };
    loop {
        if sweep(&context, grace).await.is_err() {
            let_outcomes_first(&context).await;
        }
        grace = GRACE;
        forget(&context).await;
        let pause = jittered(EVERY, 0.2, &context.random);
        tokio::select! {
            () = context.stop.requested() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The database was away, and leases may have run out meanwhile. Workers that hold the outcome of a
/// submit must write it before the sweep takes them for dead: it waits until the database answers,
/// and then as long as they may take.
async fn let_outcomes_first(context: &Context) {
    while !context.stop.is_requested() && context.store.ping().await.is_err() {
        tokio::time::sleep(EVERY).await;
    }
    tokio::select! {
        () = context.stop.requested() => {}
        () = tokio::time::sleep(2 * LONGEST_PAUSE) => {}
    }
}

/// Publishes for what is overdue. `Err`: the database is away. While the broker is away nothing is
/// taken: what is taken and cannot be published would be left alone for [`AGAIN_AFTER`].
async fn sweep(context: &Context, grace: Duration) -> Result<(), Away> {
    let Some(again_after) = again_after(context).await else {
        return context.store.ping().await.map_err(|_| Away);
    };
    while !context.stop.is_requested() {
        let now = context.now();
        let overdue = context
            .store
            .sweep(now.before(grace), now.after(again_after), AT_ONCE, now)
            .await
            .map_err(|error| {
                count_sweep(None);
                tracing::warn!(%error, "the sweep could not ask the database; it will again");
                Away
            })?;
        count_sweep(Some(overdue.len()));
        if overdue.is_empty() {
            break;
        }
        for task in &overdue {
            note(task, now);
        }
        tracing::info!(
            tasks = overdue.len(),
            "overdue tasks were found and are published again"
        );
        let full = overdue.len() == AT_ONCE as usize;
        let taken: Vec<AtTurn> = overdue.iter().map(|overdue| overdue.at).collect();
        if !publish_now(context, overdue.into_iter().map(next)).await {
            give_back(context, &taken, now.before(grace)).await;
            break;
        }
        if !full {
            break;
        }
    }
    Ok(())
}

/// When what is swept now may be swept again, by how many messages stand before it. `None`: the
/// broker does not answer, and takes no messages; what is overdue stays so until it does.
async fn again_after(context: &Context) -> Option<Duration> {
    if let Err(error) = context.broker.ping().await {
        tracing::warn!(%error, "the sweep waits for the broker");
        return None;
    }
    // Unknown while a queue is missing; that must not stop the sweep.
    let depths = context.broker.depths().await.unwrap_or_default();
    let work = Queue::ALL.map(Queue::as_str);
    let waiting = depths
        .iter()
        .filter(|depth| work.iter().any(|queue| depth.queue.ends_with(queue)))
        .map(|depth| depth.messages)
        .sum::<u64>();
    let served = Duration::from_secs(waiting / TAKEN_A_SECOND);
    Some((AGAIN_AFTER + served).min(AGAIN_AFTER_AT_MOST))
}

/// A line and the figures of one task that was found. The lines are few where all is well; after an
/// outage there are as many as there are tasks, and each is one that was late.
fn note(task: &Overdue, now: Millis) {
    let work = task.poll_at.map_or(Work::Submit, |_| Work::Poll);
    let overdue = now.since(task.due_at);
    count_swept(work, 1);
    record_overdue(overdue);
    tracing::info!(
        row = task.at.row.0,
        turn = task.at.turn.0,
        overdue_seconds = overdue.as_secs(),
        "an overdue task was found"
    );
}

/// What was taken and could not be published is as overdue as before, for the next round. Whatever was
/// published all the same is stale by that. An intention without an outcome cannot be given back: it
/// is left alone for its time.
async fn give_back(context: &Context, taken: &[AtTurn], due_at: Millis) {
    if let Err(error) = context.store.postpone(taken, due_at).await {
        tracing::warn!(%error, tasks = taken.len(),
            "swept tasks could not be given back; they are swept again later");
    }
}

/// The database is away.
struct Away;

fn next(overdue: Overdue) -> FollowUp {
    match overdue.poll_at {
        Some(channel) => FollowUp::Poll {
            channel,
            at: overdue.at,
            delay: None,
        },
        None => FollowUp::Submit {
            at: overdue.at,
            delay: None,
        },
    }
}

async fn forget(context: &Context) {
    let before = context.now().before(IDEMPOTENCY_KEPT);
    if let Err(error) = context
        .store
        .forget_idempotency(before, FORGET_AT_ONCE)
        .await
    {
        tracing::warn!(%error, "old idempotency keys could not be removed; they will be");
    }
}
