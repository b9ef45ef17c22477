//! The parts of a worker, started and stopped.

use std::sync::Arc;
use std::time::Duration;

use shared::broker::{BrokerError, Consumer, Delivery, Message, Queue, SharedBroker};
use shared::clock::SharedClock;
use shared::lifecycle::{Stop, rethrow};
use shared::random::Random;
use shared::store::Store;
use shared::store::turns::AtTurn;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::channels::ChannelCache;
use crate::context::{Context, Settings, Submits};
use crate::figures::start_at_zero;
use crate::maintenance::{late_results, sweep};
use crate::poll::batching;
use crate::schedule::{PendingAcks, Schedule, schedule};
use crate::submit::submit;
use crate::upstream::suno::Suno;

/// How many submits a worker holds: those under way at every channel, and those that wait for their
/// poll to be published.
const SUBMIT_PREFETCH: u16 = 500;
/// How many poll messages a worker holds, each of up to a hundred tasks.
const POLL_PREFETCH: u16 = 300;

/// A worker.
pub struct Worker {
    context: Arc<Context>,
}

impl Worker {
    /// A worker on this database and this broker.
    pub fn new(
        store: Store,
        broker: SharedBroker,
        clock: SharedClock,
        random: Arc<Random>,
        settings: Settings,
        stop: Stop,
    ) -> Result<Self, reqwest::Error> {
        let suno = Suno::new(
            settings.submit_timeout,
            settings.fetch_timeout,
            clock.clone(),
        )?;
        let context = Context {
            channels: ChannelCache::new(store.clone(), clock.clone()),
            store,
            broker,
            clock,
            random,
            settings,
            suno: Arc::new(suno),
            stop,
            submits: Submits::default(),
        };
        Ok(Self {
            context: Arc::new(context),
        })
    }

    /// Works until a stop is asked for, then finishes what it has begun: an upstream that has a
    /// submit is waited for, because a submit without an answer is never sent again. `started` is
    /// called once both queues are consumed.
    pub async fn run(self, started: impl FnOnce()) -> Result<(), BrokerError> {
        let Self { context } = self;
        start_at_zero();
        let submits = context
            .broker
            .consume(Queue::Submit, SUBMIT_PREFETCH)
            .await?;
        let polls = context.broker.consume(Queue::Poll, POLL_PREFETCH).await?;
        let (schedule, scheduled) = schedule();
        let mut parts = JoinSet::new();
        // Ends when the other parts, which hand in what is to be published, have ended.
        parts.spawn(scheduled.run(context.clone()));
        parts.spawn(run_submits(context.clone(), submits, schedule.clone()));
        parts.spawn(batching::run(context.clone(), polls, schedule));
        parts.spawn(sweep::run(context.clone()));
        parts.spawn(late_results::run(context.clone()));
        started();
        // A part that ends early takes the worker down, but not the submits that others have under
        // way: those are waited for, as at any stop.
        let mut died = None;
        let mut early = false;
        while let Some(part) = parts.join_next().await {
            early |= !context.stop.is_requested();
            died = died.or(part.err());
            context.stop.request();
        }
        rethrow(died);
        if early {
            return Err(BrokerError::Closed);
        }
        Ok(())
    }
}

async fn run_submits(context: Arc<Context>, mut consumer: Box<dyn Consumer>, schedule: Schedule) {
    let mut under_way: JoinSet<()> = JoinSet::new();
    let mut died = None;
    while died.is_none() {
        tokio::select! {
            () = context.stop.requested() => break,
            delivery = consumer.next() => match delivery {
                Some(delivery) => {
                    let (context, schedule) = (context.clone(), schedule.clone());
                    under_way.spawn(async move { take(&context, delivery, &schedule).await });
                }
                None => break,
            },
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => died = ended.err(),
        }
    }
    consumer.stop().await;
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
    // Every line about the task says which it is and at which turn; its name as soon as that is
    // known. At the level of errors, so that no filter on the log takes it off a line.
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
        // The database is away and we are stopping: somebody else takes it.
        Err(error) if error.is_passing() => delivery.requeue(),
        Err(error) => {
            tracing::error!(%error, "no worker can do this; parked");
            delivery.park();
        }
    }
}

/// How long a worker may take to stop: as long as an upstream may take to answer a submit, and some.
pub fn grace(settings: Settings) -> Duration {
    settings.submit_timeout + Duration::from_secs(10)
}
