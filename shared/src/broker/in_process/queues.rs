//! The queues themselves, without locks, tasks or a clock: the caller passes the time.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use crate::broker::{DELIVERY_LIMIT, Depth, Message, Outgoing, Queue, Verdict};
use crate::task::wait::Rung;

/// The most parked messages that are kept; the oldest are dropped first.
const MOST_PARKED: usize = 1_000;

/// A message in a queue, and how often it was returned.
#[derive(Debug)]
struct Queued {
    message: Message,
    returns: u32,
}

/// A message that was delivered and is not settled yet.
#[derive(Debug)]
struct Unsettled {
    consumer: u64,
    queued: Queued,
}

/// A consumer.
#[derive(Debug)]
struct Subscriber {
    queue: Queue,
    prefetch: usize,
    held: usize,
    stopped: bool,
}

/// What a consumer gets when it asks for a message.
#[derive(Debug)]
pub(super) enum Taken {
    /// A message, and the number to settle it by.
    Message {
        id: u64,
        message: Message,
        redelivered: bool,
    },
    /// No message now; the next waiting one is due at this time, if any waits.
    Nothing(Option<Instant>),
    /// The consumer was stopped.
    Stopped,
}

/// All queues, and the unsettled messages of each consumer.
#[derive(Debug, Default)]
pub(super) struct Queues {
    submit: VecDeque<Queued>,
    poll: VecDeque<Queued>,
    /// All messages of a rung wait equally long, so they become due in the order they came.
    waiting: BTreeMap<Rung, VecDeque<(Instant, Message)>>,
    parking: VecDeque<Message>,
    unsettled: HashMap<u64, Unsettled>,
    subscribers: HashMap<u64, Subscriber>,
    last_id: u64,
}

impl Queues {
    pub(super) fn publish(&mut self, outgoing: &Outgoing, now: Instant) {
        let message = outgoing.message.clone();
        match outgoing.delay {
            Some(rung) => self
                .waiting
                .entry(rung)
                .or_default()
                .push_back((now + rung.duration(), message)),
            None => self.append(message),
        }
    }

    /// Starts a consumer; returns its number.
    pub(super) fn start(&mut self, queue: Queue, prefetch: u16) -> u64 {
        let id = self.new_id();
        let subscriber = Subscriber {
            queue,
            prefetch: usize::from(prefetch.max(1)),
            held: 0,
            stopped: false,
        };
        self.subscribers.insert(id, subscriber);
        id
    }

    pub(super) fn stop(&mut self, consumer: u64) {
        if let Some(subscriber) = self.subscribers.get_mut(&consumer) {
            subscriber.stopped = true;
        }
    }

    /// Removes a consumer. Messages that it delivered can still be settled.
    pub(super) fn forget(&mut self, consumer: u64) {
        self.subscribers.remove(&consumer);
    }

    /// Returns all unsettled messages of a consumer to their queue, in order. To settle them later does
    /// nothing.
    pub(super) fn give_back(&mut self, consumer: u64) {
        let mut ids: Vec<u64> = self
            .unsettled
            .iter()
            .filter(|(_, one)| one.consumer == consumer)
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        for id in ids {
            self.end(id, Verdict::Requeue);
        }
    }

    pub(super) fn take(&mut self, consumer: u64, now: Instant) -> Taken {
        self.wake(now);
        let Some(subscriber) = self.subscribers.get_mut(&consumer) else {
            return Taken::Stopped;
        };
        if subscriber.stopped {
            return Taken::Stopped;
        }
        if subscriber.held >= subscriber.prefetch {
            return Taken::Nothing(None); // a settled message will wake it
        }
        let queue = match subscriber.queue {
            Queue::Submit => &mut self.submit,
            Queue::Poll => &mut self.poll,
        };
        let Some(queued) = queue.pop_front() else {
            return Taken::Nothing(self.next_due());
        };
        subscriber.held += 1;
        let id = self.new_id();
        let message = queued.message.clone();
        let redelivered = queued.returns > 0;
        self.unsettled.insert(id, Unsettled { consumer, queued });
        Taken::Message {
            id,
            message,
            redelivered,
        }
    }

    /// Settles a delivery, unless it was settled or given back before.
    pub(super) fn end(&mut self, id: u64, verdict: Verdict) {
        let Some(Unsettled {
            consumer,
            mut queued,
        }) = self.unsettled.remove(&id)
        else {
            return;
        };
        if let Some(subscriber) = self.subscribers.get_mut(&consumer) {
            subscriber.held -= 1;
        }
        match verdict {
            Verdict::Ack => {}
            Verdict::Park => self.park(queued.message),
            Verdict::Requeue if queued.returns >= DELIVERY_LIMIT => self.park(queued.message),
            Verdict::Requeue => {
                queued.returns += 1;
                self.of(queued.message.queue()).push_front(queued);
            }
        }
    }

    pub(super) fn depths(&mut self, prefix: &str, now: Instant) -> Vec<Depth> {
        self.wake(now);
        let depth = |name: String, messages: usize| Depth {
            queue: format!("{prefix}.{name}"),
            messages: u64::try_from(messages).unwrap_or(u64::MAX),
        };
        let waiting = Rung::LADDER.into_iter().map(|rung| {
            let messages = self.waiting.get(&rung).map_or(0, VecDeque::len);
            depth(format!("delay.{}s", rung.seconds()), messages)
        });
        [
            depth(Queue::Submit.as_str().to_owned(), self.submit.len()),
            depth(Queue::Poll.as_str().to_owned(), self.poll.len()),
        ]
        .into_iter()
        .chain(waiting)
        .chain([depth("parking".to_owned(), self.parking.len())])
        .collect()
    }

    /// Moves messages that waited long enough to their work queue.
    fn wake(&mut self, now: Instant) {
        let mut due = Vec::new();
        for rung in self.waiting.values_mut() {
            while rung.front().is_some_and(|(at, _)| *at <= now) {
                due.extend(rung.pop_front());
            }
        }
        due.sort_by_key(|(at, _)| *at);
        for (_, message) in due {
            self.append(message);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let fronts = self.waiting.values().filter_map(VecDeque::front);
        fronts.map(|(at, _)| *at).min()
    }

    fn append(&mut self, message: Message) {
        let queue = self.of(message.queue());
        queue.push_back(Queued {
            message,
            returns: 0,
        });
    }

    fn park(&mut self, message: Message) {
        if self.parking.len() >= MOST_PARKED {
            self.parking.pop_front();
        }
        self.parking.push_back(message);
    }

    fn of(&mut self, queue: Queue) -> &mut VecDeque<Queued> {
        match queue {
            Queue::Submit => &mut self.submit,
            Queue::Poll => &mut self.poll,
        }
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
