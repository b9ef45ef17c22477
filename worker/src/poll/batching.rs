//! Messages of one channel into batches of up to a hundred tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::broker::message::MOST_TASKS;
use shared::broker::{Consumer, Delivery, Message};
use shared::lifecycle::rethrow;
use shared::store::turns::AtTurn;
use shared::task::ChannelId;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::poll;
use crate::channels::Permit;
use crate::context::Context;
use crate::schedule::{FollowUp, PendingAcks, Schedule, due_at};
use shared::task::wait::Rung;

/// How long the first message of a batch waits for more of its channel. What is due at one tick
/// comes out of the waiting queues within some milliseconds.
const WINDOW: Duration = Duration::from_millis(50);
/// How many messages of one channel may wait for room at it, however slow it is.
const MOST_WAITING: usize = 32;
/// More may wait as long as the channel answers so fast that the last is asked about within this. Else
/// they go back to the waiting queues, so that a channel that hangs never holds all the messages this
/// worker may have. A channel that answers well is never why messages wait: this worker is, and to put
/// them off would only be more work for it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Messages of one channel, not worked on yet.
#[derive(Default)]
struct Pile {
    messages: Vec<(Vec<AtTurn>, Delivery)>,
    tasks: usize,
    /// When the window of the oldest closes.
    ripe_at: Option<Instant>,
}

impl Pile {
    fn add(&mut self, tasks: Vec<AtTurn>, delivery: Delivery) {
        self.ripe_at.get_or_insert_with(|| Instant::now() + WINDOW);
        self.tasks += tasks.len();
        self.messages.push((tasks, delivery));
    }

    /// Whether more of it waits for its channel than may.
    fn is_too_much(&self, channel: ChannelId, context: &Context) -> bool {
        self.messages.len() > MOST_WAITING
            && context.channels.wait_of(channel, self.tasks / MOST_TASKS) > LONGEST_WAIT
    }

    fn is_ripe(&self, now: Instant) -> bool {
        self.tasks >= MOST_TASKS || self.ripe_at.is_some_and(|ripe_at| ripe_at <= now)
    }

    /// Whole messages, oldest first, as many as fit into one call.
    fn take_batch(&mut self) -> (Vec<AtTurn>, Vec<Delivery>) {
        let mut fits = 0;
        let mut tasks = 0;
        for (more, _) in &self.messages {
            if fits > 0 && tasks + more.len() > MOST_TASKS {
                break;
            }
            tasks += more.len();
            fits += 1;
        }
        self.tasks -= tasks;
        let taken = self.messages.drain(..fits);
        let (tasks, deliveries): (Vec<_>, Vec<_>) = taken.unzip();
        if self.messages.is_empty() {
            self.ripe_at = None;
        }
        let mut tasks = tasks.concat();
        // One task twice in a batch: the database would pick one of the two turns for us.
        tasks.sort_by_key(|at| (at.row, std::cmp::Reverse(at.turn)));
        tasks.dedup_by_key(|at| at.row);
        (tasks, deliveries)
    }
}

/// Polls what comes out of the queue until a stop is asked for, then finishes what it has begun.
pub async fn run(context: Arc<Context>, mut consumer: Box<dyn Consumer>, schedule: Schedule) {
    let mut piles: HashMap<ChannelId, Pile> = HashMap::new();
    let mut batches: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            () = context.stop.requested() => break,
            delivery = consumer.next() => match delivery {
                Some(delivery) => pile_up(&mut piles, delivery),
                None => break,
            },
            Some(ended) = batches.join_next(), if !batches.is_empty() => rethrow(ended.err()),
            () = context.channels.fetch_ended(), if !piles.is_empty() => {}
            // A pile ripens while nothing else happens.
            () = tokio::time::sleep(WINDOW), if !piles.is_empty() => {}
        }
        start_ripe(&context, &mut piles, &mut batches, &schedule);
    }
    consumer.stop().await;
    // Dropped, what was not begun goes back to its queue.
    drop(piles);
    while let Some(ended) = batches.join_next().await {
        rethrow(ended.err());
    }
}

fn pile_up(piles: &mut HashMap<ChannelId, Pile>, delivery: Delivery) {
    match &delivery.message {
        Message::Poll { channel, tasks } => {
            let (channel, tasks) = (*channel, tasks.clone());
            piles.entry(channel).or_default().add(tasks, delivery);
        }
        Message::Submit(at) => {
            tracing::error!(
                row = at.row.0,
                turn = at.turn.0,
                "a message of a submit came out of the queue of polls; parked"
            );
            delivery.park();
        }
    }
}

fn start_ripe(
    context: &Arc<Context>,
    piles: &mut HashMap<ChannelId, Pile>,
    batches: &mut JoinSet<()>,
    schedule: &Schedule,
) {
    let now = Instant::now();
    for (channel, pile) in piles.iter_mut() {
        while pile.is_ripe(now) {
            let Some(room) = context.channels.take_fetch_room(*channel) else {
                break;
            };
            let (tasks, deliveries) = pile.take_batch();
            let (context, schedule, channel) = (context.clone(), schedule.clone(), *channel);
            batches.spawn(async move {
                work(&context, channel, room, tasks, deliveries, &schedule).await;
            });
        }
        while pile.is_too_much(*channel, context) {
            let (tasks, deliveries) = pile.take_batch();
            let (context, schedule, channel) = (context.clone(), schedule.clone(), *channel);
            batches.spawn(async move {
                put_off(&context, channel, tasks, deliveries, &schedule).await;
            });
        }
    }
    piles.retain(|_, pile| !pile.messages.is_empty());
}

async fn work(
    context: &Context,
    channel: ChannelId,
    room: Permit,
    tasks: Vec<AtTurn>,
    deliveries: Vec<Delivery>,
    schedule: &Schedule,
) {
    let span = tracing::error_span!("poll", channel_id = channel.0, tasks = tasks.len());
    match poll(context, channel, Some(room), &tasks)
        .instrument(span)
        .await
    {
        Ok(next) => {
            schedule
                .schedule_after(next, PendingAcks::new(deliveries))
                .await
        }
        Err(error) if error.is_passing() => drop(deliveries),
        Err(error) => {
            for at in tasks {
                tracing::error!(row = at.row.0, turn = at.turn.0, %error,
                    "no worker can do this; parked");
            }
            deliveries.into_iter().for_each(Delivery::park);
        }
    }
}

/// The channel has no room: its tasks wait a little, in the queues and not here.
async fn put_off(
    context: &Context,
    channel: ChannelId,
    tasks: Vec<AtTurn>,
    deliveries: Vec<Delivery>,
    schedule: &Schedule,
) {
    let rung = Rung::nearest(Duration::from_secs(5));
    let due_at = due_at(context.now(), rung);
    let put_off = context
        .ask_store("put polls off", || context.store.postpone(&tasks, due_at))
        .await;
    // Nothing was asked of anybody: dropped, the messages go back to their queue.
    let Ok(put_off) = put_off else { return };
    let next = put_off.into_iter().map(|at| FollowUp::Poll {
        channel,
        at,
        delay: Some(rung),
    });
    schedule
        .schedule_after(next.collect(), PendingAcks::new(deliveries))
        .await;
}
