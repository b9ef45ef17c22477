//! The sweep finds overdue tasks and publishes for them again. It turns a purged queue, a broker that
//! was down, and a worker that died between commit and publish into a short delay.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::backoff::jittered;
use shared::broker::Queue;
use shared::clock::Millis;
use shared::process::time_keeper::WRONG_FROM;
use shared::store::submissions::IDEMPOTENCY_KEPT;
use shared::store::turns::Overdue;
use shared::task::AtTurn;

use crate::context::{Context, LONGEST_PAUSE};
use crate::figures::{Work, count_sweep, count_swept, record_overdue};
use crate::schedule::{FollowUp, publish_now};
use crate::submit::{end_orphan, expiry};

/// The pause between two sweeps of a worker.
const EVERY: Duration = Duration::from_secs(5);
/// How long past its `due_at` a task is left alone, because its message may be on its way.
const GRACE: Duration = Duration::from_secs(10);
/// The shortest time that a swept task is left alone. Its new message is lost only if the broker loses
/// it, or if the worker that swept died before it published.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The longest time that a swept task is left alone. Its message may stand in a long queue, where more
/// copies do not help.
const LONGEST_AGAIN_AFTER: Duration = Duration::from_mins(10);
/// How many messages a second the workers take from a long queue, at least.
const TAKEN_A_SECOND: u64 = 100;
/// How many looks in a row must find an intention overdue.
const LOOKS: u32 = 4;
/// The most tasks that one statement takes.
const AT_ONCE: u32 = 1000;
/// The most old idempotency keys that one sweep deletes.
const FORGET_AT_ONCE: u32 = 1000;

/// Sweeps until a stop is requested. If the broker loses its messages in a restart, no message can be on
/// its way yet, so the first sweep has no grace.
pub async fn run(context: Arc<Context>) {
    let mut grace = if context.broker.is_durable() {
        GRACE
    } else {
        Duration::ZERO
    };
    let mut suspects = Suspects::default();
    loop {
        if round(&context, grace, &mut suspects).await.is_err() {
            suspects = Suspects::default();
            await_outcomes(&context).await;
        }
        grace = GRACE;
        // So the counters of a new channel begin before its first task.
        let _ = context.channels.all().await;
        delete_old_keys(&context).await;
        let pause = jittered(EVERY, 0.2, &context.random);
        tokio::select! {
            () = context.stop.requested() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One sweep and one look at the suspects, unless this machine's clock is wrong. `Err`: the database is away.
async fn round(context: &Context, grace: Duration, suspects: &mut Suspects) -> Result<(), Away> {
    let offset = context.clock.offset();
    if offset >= WRONG_FROM {
        tracing::warn!(
            seconds = offset.as_secs_f64(),
            "this machine's clock is wrong, so this worker does not sweep"
        );
        return Ok(());
    }
    sweep(context, grace).await?;
    expiry::expire(context).await.map_err(|error| {
        tracing::warn!(%error, "tasks that waited too long could not be ended; they will be");
        Away
    })?;
    suspects.look(context).await
}

/// The intentions whose lease is over, and how many looks in a row found them so.
///
/// A worker that lives renews its leases every 10 s, and every second while the database comes back. So if
/// [`LOOKS`] looks in a row find a lease over, and the looking worker had the database all that time, then the
/// worker that holds the lease is dead or cut off from the database. The looks are counted and not the time,
/// because a machine that stood still for a minute has looked only once.
#[derive(Default)]
struct Suspects(HashMap<AtTurn, u32>);

impl Suspects {
    /// Looks, and ends those that were seen often enough.
    async fn look(&mut self, context: &Context) -> Result<(), Away> {
        let overdue = context.store.orphans(context.now(), AT_ONCE).await;
        let overdue = overdue.map_err(|_| Away)?;
        let looks = |at: &AtTurn| self.0.get(at).map_or(1, |looks| looks + 1);
        self.0 = overdue.into_iter().map(|at| (at, looks(&at))).collect();
        for (at, _) in self.0.iter().filter(|(_, looks)| **looks >= LOOKS) {
            match end_orphan(context, *at).await {
                Ok(next) => {
                    publish_now(context, next).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "a dead worker's submit could not be ended; it will be");
                    return Err(Away);
                }
            }
        }
        Ok(())
    }
}

/// Waits until the database is back, and then as long as workers may take to write their outcomes. Leases
/// may have run out while the database was away, and the sweep would take those workers for dead.
async fn await_outcomes(context: &Context) {
    while !context.stop.is_requested() && context.store.ping().await.is_err() {
        tokio::time::sleep(EVERY).await;
    }
    tokio::select! {
        () = context.stop.requested() => {}
        () = tokio::time::sleep(2 * LONGEST_PAUSE) => {}
    }
}

/// Publishes for overdue tasks. `Err`: the database is away. While the broker is away no task is taken:
/// a task that is taken and not published would be left alone for [`AGAIN_AFTER`].
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

/// When a task that is swept now may be swept again, by how many messages stand before its own. `None`:
/// the broker does not answer.
async fn again_after(context: &Context) -> Option<Duration> {
    if let Err(error) = context.broker.ping().await {
        tracing::warn!(%error, "the sweep waits for the broker");
        return None;
    }
    // The depths are unknown while a queue is missing; that must not stop the sweep.
    let depths = context.broker.depths().await.unwrap_or_default();
    let work = Queue::ALL.map(Queue::as_str);
    let waiting = depths
        .iter()
        .filter(|depth| work.iter().any(|queue| depth.queue.ends_with(queue)))
        .map(|depth| depth.messages)
        .sum::<u64>();
    let served = Duration::from_secs(waiting / TAKEN_A_SECOND);
    Some((AGAIN_AFTER + served).min(LONGEST_AGAIN_AFTER))
}

/// Logs and counts one task that was found.
fn note(task: &Overdue, now: Millis) {
    let work = task.poll_at.map_or(Work::Submit, |_| Work::Poll);
    let overdue = now.since(task.due_at);
    count_swept(work, 1);
    record_overdue(overdue);
    tracing::debug!(
        row = task.at.row.0,
        turn = task.at.turn.0,
        overdue_seconds = overdue.as_secs(),
        "an overdue task was found"
    );
}

/// Makes tasks that were taken and not published overdue again, for the next sweep. Messages that were
/// published all the same are stale then. An intention without an outcome cannot be given back.
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

async fn delete_old_keys(context: &Context) {
    let before = context.now().before(IDEMPOTENCY_KEPT);
    let deleted = context.store.forget_idempotency(before, FORGET_AT_ONCE);
    if let Err(error) = deleted.await {
        tracing::warn!(%error, "old idempotency keys could not be removed; they will be");
    }
}
