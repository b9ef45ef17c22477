//! What comes next: published in batches, confirmed, and only then acknowledged.
//!
//! Polls are published at the ticks of a common beat rather than each at once. The tasks of one
//! channel and one delay that gather between two ticks, from every submit and every batch, travel in
//! one message, and because every rung of the ladder is whole beats long they all come out of the
//! waiting queues together again. That is what keeps it near one fetch call a hundred tasks however
//! the tasks came in, at the price of half a beat's delay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::broker::message::MOST_TASKS;
use shared::broker::{Delivery, Message, Outgoing};
use shared::clock::Millis;
use shared::store::turns::AtTurn;
use shared::task::ChannelId;
use shared::task::wait::Rung;
use tokio::sync::mpsc;

use crate::context::Context;

/// The shortest beat, which the others are multiples of.
const TICK: Duration = Duration::from_millis(500);

/// The longest beat.
pub const LONGEST_BEAT: Duration = Duration::from_secs(1);

/// The longest that publishing with this delay waits for others.
pub fn beat(delay: Option<Rung>) -> Duration {
    match delay.map_or(0, Rung::seconds) {
        0..5 => TICK,
        _ => LONGEST_BEAT,
    }
}

/// When a task is due that is published now with this delay.
pub fn due_at(now: Millis, delay: Rung) -> Millis {
    now.after(delay.duration() + beat(Some(delay)))
}

/// At so many entries a tick comes early.
const FULL: usize = 4096;

/// What comes next for one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// It is submitted, after a delay or at once.
    Submit {
        /// The task.
        at: AtTurn,
        /// The delay.
        delay: Option<Rung>,
    },
    /// It is polled.
    Poll {
        /// At this channel.
        channel: ChannelId,
        /// The task.
        at: AtTurn,
        /// After this delay.
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

/// Deliveries to be acknowledged once everything that follows from them is published.
#[derive(Debug, Clone, Default)]
pub struct PendingAcks(Arc<std::sync::Mutex<Vec<Delivery>>>);

impl PendingAcks {
    /// Holds `deliveries`.
    pub fn new(deliveries: Vec<Delivery>) -> Self {
        Self(Arc::new(std::sync::Mutex::new(deliveries)))
    }

    /// Acknowledges, if nothing else that follows from them is still to be published.
    fn published(self) {
        if let Some(deliveries) = Arc::into_inner(self.0) {
            for delivery in deliveries.into_inner().unwrap_or_default() {
                delivery.ack();
            }
        }
    }
}

/// Where what comes next is handed in.
#[derive(Debug, Clone)]
pub struct Schedule(mpsc::Sender<(Vec<FollowUp>, PendingAcks)>);

/// Where it comes out.
pub struct Scheduled(mpsc::Receiver<(Vec<FollowUp>, PendingAcks)>);

/// Both ends.
pub fn schedule() -> (Schedule, Scheduled) {
    let (sender, receiver) = mpsc::channel(1024);
    (Schedule(sender), Scheduled(receiver))
}

impl Schedule {
    /// Publishes `next` at the next tick, then acknowledges `held`.
    pub async fn schedule_after(&self, next: Vec<FollowUp>, held: PendingAcks) {
        if next.is_empty() {
            return held.published();
        }
        // Fails only when the worker is gone: then `held` goes back to its queue.
        let _ = self.0.send((next, held)).await;
    }
}

impl Scheduled {
    /// Publishes tick by tick until every [`Schedule`] is dropped, and the rest then.
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
                        Some((next, held)) => {
                            waiting.extend(next.into_iter().map(|next| (next, held.clone())));
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

/// The first whole tick after `now`, by the clock that all workers share more or less.
fn next_tick(now: Millis) -> Millis {
    let tick = i64::try_from(TICK.as_millis()).unwrap_or(1);
    Millis((now.0.div_euclid(tick) + 1) * tick)
}

fn falls_on(tick: Millis, beat: Duration) -> bool {
    i64::try_from(beat.as_millis()).is_ok_and(|beat| tick.0 % beat == 0)
}

async fn publish(context: &Context, entries: Vec<(FollowUp, PendingAcks)>) {
    let (next, held): (Vec<FollowUp>, Vec<PendingAcks>) = entries.into_iter().unzip();
    publish_now(context, next).await;
    // Published or not: what could not be is overdue soon, and the sweep publishes it.
    held.into_iter().for_each(PendingAcks::published);
}

/// Publishes `next` in as few messages as there can be, confirmed. `false`: it failed, which is
/// logged; the sweep makes up for it.
pub async fn publish_now(context: &Context, next: impl IntoIterator<Item = FollowUp>) -> bool {
    let messages = messages(next);
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

/// The fewest messages that say `next`.
fn messages(next: impl IntoIterator<Item = FollowUp>) -> Vec<Outgoing> {
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
        messages.extend(tasks.chunks(MOST_TASKS).map(|tasks| Outgoing {
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
        let sizes: Vec<usize> = messages(next)
            .iter()
            .map(|out| match &out.message {
                Message::Poll { tasks, .. } => tasks.len(),
                Message::Submit(_) => 0,
            })
            .collect();
        assert_eq!(sizes, [100, 100, 50, 1, 1]);
    }
}
