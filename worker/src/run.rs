//! Starts and stops the parts of a worker.

use std::sync::Arc;
use std::time::Duration;

use shared::broker::{BrokerError, Consumer, Delivery, Message, Queue};
use shared::process::Process;
use shared::process::lifecycle::rethrow;
use shared::task::AtTurn;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::channels::plans;
use crate::context::{Context, Settings};
use crate::figures::{FIGURES, start_at_zero};
use crate::leases;
use crate::maintenance::{late_results, own_limits, sweep};
use crate::poll::batching;
use crate::rest::{self, Intake, Rest};
use crate::schedule::{PendingAcks, Schedule, schedule};
use crate::submit::{look, submit};

/// The most submit messages that a worker holds: submits under way at all channels, and submits whose
/// first poll is not published yet.
const SUBMIT_PREFETCH: u16 = 500;
/// The most poll messages that a worker holds, each of up to a hundred tasks.
const POLL_PREFETCH: u16 = 300;

/// The pause between two tries to consume at the start.
const CONSUME_AGAIN: Duration = Duration::from_secs(1);

/// Adds a worker to the components of `process`: for `worker` and for `task-center`. Calls `started` once
/// both queues are consumed. `Err`: no HTTP client could be made.
pub fn spawn(
    process: &mut Process,
    settings: Settings,
    rest: Arc<Rest>,
    started: impl FnOnce() + Send + 'static,
) -> Result<(), reqwest::Error> {
    process.figures.describe(FIGURES);
    let context = Context::new(
        process.store.clone(),
        process.broker.clone(),
        process.clock.clone(),
        process.random.clone(),
        settings,
        rest,
        process.stop.clone(),
    )?;
    process.spawn_later("worker", run(Arc::new(context), started));
    Ok(())
}

/// Works until a stop is requested, then finishes the work under way. The worker waits until upstreams have
/// answered its submits, because a submit without an answer is never sent again. `Err`: a part of the worker
/// ended early.
async fn run(context: Arc<Context>, started: impl FnOnce()) -> Result<(), BrokerError> {
    start_at_zero();
    let Some(submits) = consumer(&context, Queue::Submit, SUBMIT_PREFETCH).await? else {
        return Ok(());
    };
    let Some(polls) = consumer(&context, Queue::Poll, POLL_PREFETCH).await? else {
        return Ok(());
    };
    let submits = Intake::new(&context, Queue::Submit, SUBMIT_PREFETCH, submits);
    let polls = Intake::new(&context, Queue::Poll, POLL_PREFETCH, polls);
    // The counters of all channels exist before the worker says that it works.
    let _ = context.channels.all().await;
    plans::begin(&context).await;
    let (schedule, scheduled) = schedule();
    let mut parts = JoinSet::new();
    // Ends when the other parts, which hand in follow-ups, have ended.
    parts.spawn(scheduled.run(context.clone()));
    parts.spawn(run_submits(context.clone(), submits, schedule.clone()));
    parts.spawn(look::run(context.clone(), schedule.clone()));
    parts.spawn(batching::run(context.clone(), polls, schedule));
    parts.spawn(plans::run(context.clone()));
    parts.spawn(sweep::run(context.clone()));
    parts.spawn(late_results::run(context.clone()));
    parts.spawn(own_limits::run(context.clone()));
    parts.spawn(rest::run(context.clone()));
    let leases = tokio::spawn(leases::renew(context.clone()));
    started();
    // A part that ends early stops the worker, but submits under way are waited for, as at any stop.
    let mut died = None;
    let mut early = false;
    while let Some(part) = parts.join_next().await {
        early |= !context.stop.is_requested();
        died = died.or(part.err());
        context.stop.request();
    }
    leases.abort();
    rethrow(died);
    if early {
        return Err(BrokerError::Closed);
    }
    Ok(())
}

/// Consumes `queue`, as soon as the broker is there; `None` if a stop is requested before.
async fn consumer(
    context: &Context,
    queue: Queue,
    prefetch: u16,
) -> Result<Option<Box<dyn Consumer>>, BrokerError> {
    while !context.stop.is_requested() {
        match context.broker.consume(queue, prefetch).await {
            Ok(consumer) => return Ok(Some(consumer)),
            Err(error @ BrokerError::Unreachable(_)) => {
                tracing::warn!(%error, "the broker was lost at the start; it is asked again soon");
                tokio::time::sleep(CONSUME_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn run_submits(context: Arc<Context>, mut intake: Intake, schedule: Schedule) {
    let mut under_way: JoinSet<()> = JoinSet::new();
    let mut died = None;
    while died.is_none() {
        tokio::select! {
            () = context.stop.requested() => break,
            delivery = intake.next() => match delivery {
                Some(delivery) => {
                    let (context, schedule) = (context.clone(), schedule.clone());
                    under_way.spawn(async move { take(&context, delivery, &schedule).await });
                }
                None => break,
            },
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => died = ended.err(),
        }
    }
    intake.stop().await;
    finish(&context, under_way, died).await;
}

/// Waits for the submits under way: a submit without an answer is never sent again. `died`: one that panicked before.
pub(crate) async fn finish(
    context: &Context,
    mut under_way: JoinSet<()>,
    mut died: Option<JoinError>,
) {
    if !under_way.is_empty() {
        tracing::info!(
            submits = under_way.len(),
            longest_s = context.settings.submit_timeout.as_secs(),
            "waiting for upstreams to answer submits under way; a second signal stops at once, \
             and those tasks would then fail and be refunded"
        );
    }
    while let Some(ended) = under_way.join_next().await {
        died = died.or(ended.err());
    }
    rethrow(died);
}

async fn take(context: &Context, delivery: Delivery, schedule: &Schedule) {
    let Message::Submit(at) = delivery.message else {
        tracing::error!("a message of polls came out of the queue of submits; parked");
        delivery.park();
        return;
    };
    // Every log line about the task names it, its row and its turn. The span is at level ERROR, so that
    // no filter takes it off a line.
    let span = tracing::error_span!("submit", task = Empty, row = at.row.0, turn = at.turn.0);
    take_submit(context, at, delivery, schedule)
        .instrument(span)
        .await;
}

async fn take_submit(context: &Context, at: AtTurn, delivery: Delivery, schedule: &Schedule) {
    match submit(context, at).await {
        Ok(next) => {
            schedule
                .schedule_after(next.into_iter().collect(), PendingAcks::new(vec![delivery]))
                .await;
        }
        // The database is away, and this worker stops: another worker takes the task.
        Err(error) if error.is_passing() => delivery.requeue(),
        Err(error) => {
            tracing::error!(%error, "no worker can do this; parked");
            delivery.park();
        }
    }
}

/// How long a worker may take to stop: the longest wait for the answer to a submit, and 10 s more.
pub fn grace(settings: &Settings) -> Duration {
    settings.submit_timeout + Duration::from_secs(10)
}
