//! Merges the messages of one channel into batches of up to a hundred tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::broker::{Delivery, Message};
use shared::process::lifecycle::rethrow;
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::poll;
use crate::channels::fetches::Permit;
use crate::channels::plans::ChannelPlan;
use crate::context::Context;
use crate::rest::Intake;
use crate::schedule::{FollowUp, PendingAcks, Schedule, due_at};

/// How long the first message of a batch waits for more. Messages that were published at the same tick
/// come out of the waiting queues within some milliseconds.
const WINDOW: Duration = Duration::from_millis(50);
/// The same where all calls of a channel are needed, so that each asks about as many tasks as it can: until the next
/// tick's messages are here.
const SCARCE_WINDOW: Duration = Duration::from_millis(550);
/// This many messages may always wait for a slot at one channel.
const MOST_WAITING: usize = 32;
/// More messages may wait while the channel is so fast that the last one is asked about within this
/// time. Otherwise they go back to the waiting queues, so that a channel that hangs cannot fill the
/// prefetch of this worker. Behind a fast channel, messages only wait for this worker itself, and to put
/// them off would be more work for it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The longest time for which they go back.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(30);

/// Messages of one channel that are not in a batch yet.
#[derive(Default)]
struct Buffer {
    /// The oldest first, each with the moment at which it came.
    messages: Vec<(Instant, Vec<AtTurn>, Delivery)>,
    tasks: usize,
}

/// A batch: its tasks, and the deliveries that named them.
type Batch = (Vec<AtTurn>, Vec<Delivery>);

impl Buffer {
    fn add(&mut self, tasks: Vec<AtTurn>, delivery: Delivery) {
        self.tasks += tasks.len();
        self.messages.push((Instant::now(), tasks, delivery));
    }

    /// How long the last message will wait, if that is too long.
    fn too_long(
        &self,
        channel: ChannelId,
        plan: &ChannelPlan,
        context: &Context,
    ) -> Option<Duration> {
        if self.messages.len() <= MOST_WAITING {
            return None;
        }
        let batches = self.tasks / plan.tasks_per_batch();
        let calls = plan.calls(self.tasks);
        let allowed = plan.bound.map_or(Duration::ZERO, |bound| {
            Duration::from_secs(1) * calls / bound
        });
        let wait = context.channels.wait_of(channel, batches).max(allowed);
        (wait > LONGEST_WAIT).then_some(wait)
    }

    /// How many batches may be asked about now: full ones, and one more if the oldest message has waited long enough.
    fn ripe(&self, plan: &ChannelPlan, now: Instant) -> usize {
        let window = if plan.is_scarce {
            SCARCE_WINDOW
        } else {
            WINDOW
        };
        let full = self.tasks / plan.tasks_per_batch();
        let oldest = self.messages.first();
        let is_ripe = oldest.is_some_and(|(came, ..)| *came + window <= now);
        full.max(usize::from(is_ripe))
    }

    /// Takes whole messages: the oldest, and of the others those that still fit into one batch.
    fn take_oldest(&mut self, most: usize) -> Batch {
        let mut taken = 0;
        let fits = self.messages.extract_if(.., |(_, tasks, _)| {
            let fits = taken == 0 || taken + tasks.len() <= most;
            taken += if fits { tasks.len() } else { 0 };
            fits
        });
        let batch = fits.collect();
        self.tasks -= taken;
        merged(batch)
    }

    /// Takes the newest messages, as many as make a batch.
    fn take_newest(&mut self, most: usize) -> Batch {
        let (mut newest, mut taken) = (Vec::new(), 0);
        while taken < most
            && let Some(message) = self.messages.pop()
        {
            taken += message.1.len();
            newest.push(message);
        }
        self.tasks -= taken;
        merged(newest)
    }
}

fn merged(messages: Vec<(Instant, Vec<AtTurn>, Delivery)>) -> Batch {
    let messages = messages
        .into_iter()
        .map(|(_, tasks, delivery)| (tasks, delivery));
    let (tasks, deliveries): (Vec<_>, Vec<_>) = messages.unzip();
    let mut tasks = tasks.concat();
    // Of a task that is named twice, the later turn counts: it is the one that may be current.
    tasks.sort_by_key(|at| (at.row, std::cmp::Reverse(at.turn)));
    tasks.dedup_by_key(|at| at.row);
    (tasks, deliveries)
}

/// Polls what comes out of the queue until a stop is requested, then finishes the batches under way.
pub async fn run(context: Arc<Context>, mut intake: Intake, schedule: Schedule) {
    let mut buffers: HashMap<ChannelId, Buffer> = HashMap::new();
    let mut batches: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            () = context.stop.requested() => break,
            delivery = intake.next() => match delivery {
                Some(delivery) => add(&mut buffers, delivery),
                None => break,
            },
            Some(ended) = batches.join_next(), if !batches.is_empty() => rethrow(ended.err()),
            () = context.channels.fetch_ended(), if !buffers.is_empty() => {}
            // A buffer may ripen while nothing else happens.
            () = tokio::time::sleep(WINDOW), if !buffers.is_empty() => {}
        }
        if context.rest.trouble().is_some() {
            // Dropped, these deliveries go back to their queue, for other workers.
            buffers.clear();
        }
        start_batches(&context, &mut buffers, &mut batches, &schedule);
    }
    intake.stop().await;
    // Dropped, these deliveries go back to their queue.
    drop(buffers);
    while let Some(ended) = batches.join_next().await {
        rethrow(ended.err());
    }
}

fn add(buffers: &mut HashMap<ChannelId, Buffer>, delivery: Delivery) {
    match &delivery.message {
        Message::Poll { channel, tasks } => {
            let (channel, tasks) = (*channel, tasks.clone());
            buffers.entry(channel).or_default().add(tasks, delivery);
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

fn start_batches(
    context: &Arc<Context>,
    buffers: &mut HashMap<ChannelId, Buffer>,
    batches: &mut JoinSet<()>,
    schedule: &Schedule,
) {
    let now = Instant::now();
    for (&channel, buffer) in buffers.iter_mut() {
        let plan = context.channels.plan(channel);
        let most = plan.tasks_per_batch();
        loop {
            let ripe = buffer.ripe(&plan, now);
            let calls = plan.calls(ripe * most);
            let may_call = ripe > 0
                && context.channels.has_fetch_slot(channel)
                && context.may_fetch(channel, calls);
            if !may_call {
                break;
            }
            let Some(permit) = context.channels.fetch_permit(channel) else {
                break;
            };
            let batch = buffer.take_oldest(most);
            let (context, schedule) = (context.clone(), schedule.clone());
            batches.spawn(async move { work(&context, channel, permit, batch, &schedule).await });
        }
        while let Some(wait) = buffer.too_long(channel, &plan, context) {
            let batch = buffer.take_newest(most);
            let (context, schedule) = (context.clone(), schedule.clone());
            batches.spawn(async move { put_off(&context, channel, batch, wait, &schedule).await });
        }
    }
    buffers.retain(|_, buffer| !buffer.messages.is_empty());
}

async fn work(
    context: &Context,
    channel: ChannelId,
    permit: Permit,
    (tasks, deliveries): Batch,
    schedule: &Schedule,
) {
    let span = tracing::error_span!("poll", channel_id = channel.0, tasks = tasks.len());
    match poll(context, channel, Some(permit), &tasks)
        .instrument(span)
        .await
    {
        Ok(next) => {
            schedule
                .schedule_after(next, PendingAcks::new(deliveries))
                .await;
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

/// Sends the tasks of a batch back to a waiting queue, because they would wait here for too long.
async fn put_off(
    context: &Context,
    channel: ChannelId,
    (tasks, deliveries): Batch,
    wait: Duration,
    schedule: &Schedule,
) {
    let rung = Rung::nearest(wait.min(LONGEST_PUT_OFF));
    let due_at = due_at(context.now(), rung);
    let put_off = context
        .ask_store("put polls off", || context.store.postpone(&tasks, due_at))
        .await;
    // Dropped, the deliveries go back to their queue; the upstream was not called.
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
