//! The queues themselves: no lock, no task, no clock. Whoever asks says what time it is.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use crate::broker::{DELIVERY_LIMIT, Depth, Message, Outgoing, Queue, Verdict};
use crate::task::wait::Rung;

/// How many parked messages are kept for an operator to look at; the oldest go first.
const MOST_PARKED: usize = 1_000;

/// A message in a queue, and how often it came back.
#[derive(Debug)]
struct Queued {
    message: Message,
    returns: u32,
}

/// A message that was delivered and not ended yet.
#[derive(Debug)]
struct Held {
    consumer: u64,
    queued: Queued,
}

#[derive(Debug)]
struct Taker {
    queue: Queue,
    prefetch: usize,
    held: usize,
    stopped: bool,
}

/// What a consumer finds when it asks for a message.
#[derive(Debug)]
pub(super) enum Taken {
    /// A message, and the number to end it by.
    Message {
        id: u64,
        message: Message,
        redelivered: bool,
    },
    /// Nothing now; something that waits is due then, if anything waits.
    Nothing(Option<Instant>),
    /// The consumer was stopped.
    Stopped,
}

/// Every queue, and who holds what.
#[derive(Debug, Default)]
pub(super) struct Queues {
    submit: VecDeque<Queued>,
    poll: VecDeque<Queued>,
    /// Each rung has one wait, so its messages become due in the order they came.
    waiting: BTreeMap<Rung, VecDeque<(Instant, Message)>>,
    parking: VecDeque<Message>,
    held: HashMap<u64, Held>,
    takers: HashMap<u64, Taker>,
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

    /// A new consumer's number.
    pub(super) fn start(&mut self, queue: Queue, prefetch: u16) -> u64 {
        let id = self.new_id();
        let taker = Taker {
            queue,
            prefetch: usize::from(prefetch.max(1)),
            held: 0,
            stopped: false,
        };
        self.takers.insert(id, taker);
        id
    }

    pub(super) fn stop(&mut self, consumer: u64) {
        if let Some(taker) = self.takers.get_mut(&consumer) {
            taker.stopped = true;
        }
    }

    /// Forgets a consumer that nobody will ask for again. What it handed out can still be ended.
    pub(super) fn forget(&mut self, consumer: u64) {
        self.takers.remove(&consumer);
    }

    /// Puts everything a consumer holds back into its queue, in order. To end it later does nothing.
    pub(super) fn give_back(&mut self, consumer: u64) {
        let mut ids: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| held.consumer == consumer)
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        for id in ids {
            self.end(id, Verdict::Requeue);
        }
    }

    pub(super) fn take(&mut self, consumer: u64, now: Instant) -> Taken {
        self.wake(now);
        let Some(taker) = self.takers.get_mut(&consumer) else {
            return Taken::Stopped;
        };
        if taker.stopped {
            return Taken::Stopped;
        }
        if taker.held >= taker.prefetch {
            return Taken::Nothing(None); // an ended message will wake it
        }
        let queue = match taker.queue {
            Queue::Submit => &mut self.submit,
            Queue::Poll => &mut self.poll,
        };
        let Some(queued) = queue.pop_front() else {
            return Taken::Nothing(self.next_due());
        };
        taker.held += 1;
        let id = self.new_id();
        let message = queued.message.clone();
        let redelivered = queued.returns > 0;
        self.held.insert(id, Held { consumer, queued });
        Taken::Message {
            id,
            message,
            redelivered,
        }
    }

    /// Ends a delivery. One that was ended before, or given back, stays as it is.
    pub(super) fn end(&mut self, id: u64, verdict: Verdict) {
        let Some(Held {
            consumer,
            mut queued,
        }) = self.held.remove(&id)
        else {
            return;
        };
        if let Some(taker) = self.takers.get_mut(&consumer) {
            taker.held -= 1;
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

    /// Moves what waited long enough to where it is worked on.
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
