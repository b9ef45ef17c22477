//! The sweep: whatever was forgotten on the way is found here. A queue that was purged, a broker
//! that was down, a worker that died between commit and publish: all of it is a short delay.

use std::sync::Arc;
use std::time::Duration;

use shared::backoff::jittered;
use shared::clock::Millis;
use shared::store::submissions::IDEMPOTENCY_KEPT;
use shared::store::turns::Overdue;

use crate::context::{Context, LONGEST_PAUSE};
use crate::figures::{Work, count_sweep, count_swept, record_overdue};
use crate::schedule::{Next, publish_now};

/// How often each worker sweeps.
const EVERY: Duration = Duration::from_secs(5);
/// How long past its `due_at` a task is left to the message that is on its way.
const GRACE: Duration = Duration::from_secs(10);
/// For how long a task that was swept is left alone: its message may stand in a long queue.
const AGAIN_AFTER: Duration = Duration::from_mins(2);
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

/// Publishes for what is overdue. `Err`: the database is away.
async fn sweep(context: &Context, grace: Duration) -> Result<(), Away> {
    while !context.stop.is_requested() {
        let now = context.now();
        let overdue = context
            .store
            .sweep(now.before(grace), now.after(AGAIN_AFTER), AT_ONCE, now)
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
        let published = publish_now(context, overdue.into_iter().map(next)).await;
        if !full || !published {
            break;
        }
    }
    Ok(())
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

/// The database is away.
struct Away;

fn next(overdue: Overdue) -> Next {
    match overdue.poll_at {
        Some(channel) => Next::Poll {
            channel,
            at: overdue.at,
            delay: None,
        },
        None => Next::Submit {
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
