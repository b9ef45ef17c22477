//! Publishes the follow-ups of submits and polls in batches, and acknowledges what they follow from.
//!
//! Polls are published at the ticks of a common beat. All tasks of one channel and one delay that were
//! handed in between two ticks travel in one message. Every rung of the ladder is whole beats long, so
//! these tasks also leave the waiting queues together. So a fetch call carries close to a hundred tasks,
//! at the price of half a beat's delay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::broker::{Delivery, Message, Outgoing};
use shared::clock::Millis;
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId};
use tokio::sync::mpsc;

use crate::context::Context;

/// The shortest beat; the others are multiples of it.
const TICK: Duration = Duration::from_millis(500);

/// The longest beat.
pub const LONGEST_BEAT: Duration = Duration::from_secs(1);

/// The longest wait of a follow-up with this delay for its tick.
pub fn beat(delay: Option<Rung>) -> Duration {
    match delay.map_or(0, Rung::seconds) {
        0..5 => TICK,
        _ => LONGEST_BEAT,
    }
}

/// How long after this delay a task is asked about on average: half a beat, and what the batch of the task takes.
pub fn overhead(delay: Rung) -> Duration {
    beat(Some(delay)) / 2 + BATCH
}

/// When a task is due whose follow-up is handed in now with this delay.
pub fn due_at(now: Millis, delay: Rung) -> Millis {
    now.after(delay.duration() + beat(Some(delay)))
}

/// About how long a batch of polls takes, from the first of its messages to its follow-ups.
const BATCH: Duration = Duration::from_millis(100);

/// This many follow-ups make a tick come early.
const FULL: usize = 4096;

/// What is published next for one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// The task is to be submitted.
    Submit {
        /// The task.
        at: AtTurn,
        /// The delay; `None` for none.
        delay: Option<Rung>,
    },
    /// The task is to be polled.
    Poll {
        /// The channel that has it.
        channel: ChannelId,
        /// The task.
        at: AtTurn,
        /// The delay; `None` for none.
        delay: Option<Rung>,
    },
}

impl FollowUp {
    fn delay(&self) -> Option<Rung> {
        match self {
            Self::Submit { delay, .. } | Self::Poll { delay, .. } => *delay,
        }
    }
}

/// Deliveries to be acknowledged once all their follow-ups are published. Each follow-up holds a clone.
#[derive(Debug, Clone, Default)]
pub struct PendingAcks(Arc<std::sync::Mutex<Vec<Delivery>>>);

impl PendingAcks {
    /// Deliveries without follow-ups yet.
    pub fn new(deliveries: Vec<Delivery>) -> Self {
        Self(Arc::new(std::sync::Mutex::new(deliveries)))
    }

    /// Acknowledges the deliveries, if this is the last clone.
    fn published(self) {
        if let Some(deliveries) = Arc::into_inner(self.0) {
            for delivery in deliveries.into_inner().unwrap_or_default() {
                delivery.ack();
            }
        }
    }
}

/// The end where follow-ups are handed in.
#[derive(Debug, Clone)]
pub struct Schedule(mpsc::Sender<(Vec<FollowUp>, PendingAcks)>);

/// The end that publishes them.
pub struct Scheduled(mpsc::Receiver<(Vec<FollowUp>, PendingAcks)>);

/// Both ends.
pub fn schedule() -> (Schedule, Scheduled) {
    let (sender, receiver) = mpsc::channel(1024);
    (Schedule(sender), Scheduled(receiver))
}

impl Schedule {
    /// Publishes `next` at the next tick, then acknowledges `acks`.
    pub async fn schedule_after(&self, next: Vec<FollowUp>, acks: PendingAcks) {
        if next.is_empty() {
            return acks.published();
        }
        // Fails only if the publishing end is gone: then the deliveries go back to their queue.
        let _ = self.0.send((next, acks)).await;
    }
}

impl Scheduled {
    /// Publishes at each tick until every [`Schedule`] is dropped, then publishes the rest.
    pub async fn run(mut self, context: Arc<Context>) {
        let mut waiting: Vec<(FollowUp, PendingAcks)> = Vec::new();
        let mut open = true;
        while open {
            let tick = next_tick(context.now());
            let mut early = false;
            let pause = tokio::time::sleep(tick.since(context.now()));
            tokio::pin!(pause);
            while open && !early {
                tokio::select! {
                    entry = self.0.recv() => match entry {
                        Some((next, acks)) => {
                            waiting.extend(next.into_iter().map(|next| (next, acks.clone())));
                            early = waiting.len() >= FULL;
                        }
                        None => open = false,
                    },
                    () = &mut pause => break,
                }
            }
            let all = early || !open;
            let (ready, later) = waiting
                .into_iter()
                .partition(|(next, _)| all || falls_on(tick, beat(next.delay())));
            waiting = later;
            publish(&context, ready).await;
        }
    }
}

/// The first tick after `now`. All workers have about the same ticks, because their clocks do.
fn next_tick(now: Millis) -> Millis {
    let tick = i64::try_from(TICK.as_millis()).unwrap_or(1);
    Millis((now.0.div_euclid(tick) + 1) * tick)
}

fn falls_on(tick: Millis, beat: Duration) -> bool {
    i64::try_from(beat.as_millis()).is_ok_and(|beat| tick.0 % beat == 0)
}

async fn publish(context: &Context, entries: Vec<(FollowUp, PendingAcks)>) {
    let (next, acks): (Vec<FollowUp>, Vec<PendingAcks>) = entries.into_iter().unzip();
    publish_now(context, next).await;
    // Also if it failed: these tasks are overdue soon, and the sweep publishes for them.
    acks.into_iter().for_each(PendingAcks::published);
}

/// Publishes `next` in as few messages as possible, each confirmed. `false`: publishing failed, which is
/// logged; the sweep publishes again.
pub async fn publish_now(context: &Context, next: impl IntoIterator<Item = FollowUp>) -> bool {
    let most = |channel| context.channels.plan(channel).tasks_per_message();
    let messages = messages(next, most);
    if messages.is_empty() {
        return true;
    }
    let published = context.broker.publish(&messages).await;
    if let Err(error) = &published {
        metrics::counter!("task_center_publish_failures_total").increment(1);
        tracing::warn!(%error, messages = messages.len(),
            "messages could not be published; the sweep will find their tasks");
    }
    published.is_ok()
}

/// The fewest messages that carry `next`; `most`: how many polls of a channel one message carries.
fn messages(
    next: impl IntoIterator<Item = FollowUp>,
    most: impl Fn(ChannelId) -> usize,
) -> Vec<Outgoing> {
    let mut messages = Vec::new();
    let mut polls: BTreeMap<(ChannelId, Option<Rung>), Vec<AtTurn>> = BTreeMap::new();
    for next in next {
        match next {
            FollowUp::Submit { at, delay } => {
                messages.push(Outgoing {
                    message: Message::Submit(at),
                    delay,
                });
            }
            FollowUp::Poll { channel, at, delay } => {
                polls.entry((channel, delay)).or_default().push(at);
            }
        }
    }
    for ((channel, delay), tasks) in polls {
        messages.extend(tasks.chunks(most(channel)).map(|tasks| Outgoing {
            message: Message::Poll {
                channel,
                tasks: tasks.to_vec(),
            },
            delay,
        }));
    }
    messages
}

#[cfg(test)]
mod tests {
    use shared::task::{RowId, Turn};

    use super::*;

    #[test]
    fn every_rung_is_whole_beats_long_so_that_what_left_together_arrives_together() {
        for rung in Rung::LADDER {
            let beat = beat(Some(rung)).as_millis();
            assert_eq!(rung.duration().as_millis() % beat, 0, "{rung:?}");
        }
        let tick = next_tick(Millis(1_700_000_000_499));
        assert_eq!(tick, Millis(1_700_000_000_500));
        assert!(falls_on(tick, TICK) && !falls_on(tick, LONGEST_BEAT));
        assert!(next_tick(tick) > tick);
    }

    #[test]
    fn tasks_of_one_channel_and_one_delay_travel_together() {
        let poll = |row: i64, channel: i64, delay: Rung| FollowUp::Poll {
            channel: ChannelId(channel),
            at: AtTurn {
                row: RowId(row),
                turn: Turn(1),
            },
            delay: Some(delay),
        };
        let next = (0..250)
            .map(|row| poll(row, 1, Rung::SHORTEST))
            .chain([poll(900, 2, Rung::SHORTEST), poll(901, 1, Rung::LONGEST)]);
        let sizes: Vec<usize> = messages(next, |_| 100)
            .iter()
            .map(|out| out.message.tasks().len())
            .collect();
        assert_eq!(sizes, [100, 100, 50, 1, 1]);
    }
}
