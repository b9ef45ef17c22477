//! Publishes the messages of tasks that were stored, or that are due early, in the background.
//!
//! A request is answered as soon as the database knows of it; the message only makes a worker look at the
//! task sooner. If the message is lost, because the broker is unreachable or the process dies, the
//! sweep publishes it again when the task is overdue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::broker::{Message, Outgoing, SharedBroker};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};

/// The most messages that wait to be published. More are left to the sweep.
const WAITING: usize = 10_000;

/// The most messages in one publish, confirmed together.
const BATCH: usize = 256;

/// A handle of the publishing task. Clones share the task.
#[derive(Debug, Clone)]
pub struct Publisher {
    messages: mpsc::Sender<Outgoing>,
    overflowing: Arc<AtomicBool>,
    stop: Arc<Notify>,
    stopped: watch::Receiver<bool>,
}

impl Publisher {
    /// Starts the publishing task.
    pub fn start(broker: SharedBroker) -> Self {
        let (messages, waiting) = mpsc::channel(WAITING);
        let (ended, stopped) = watch::channel(false);
        let stop = Arc::new(Notify::new());
        let publishing = Publishing {
            broker,
            waiting,
            outage: false,
        };
        let stopping = Arc::clone(&stop);
        tokio::spawn(async move {
            publishing.run(&stopping).await;
            ended.send_replace(true);
        });
        Self {
            messages,
            overflowing: Arc::default(),
            stop,
            stopped,
        }
    }

    /// Publishes `message` soon. Neither waits nor fails.
    pub fn publish(&self, message: Message) {
        let delay = None;
        let refused = self.messages.try_send(Outgoing { message, delay });
        let is_full = refused.is_err();
        if let Err(TrySendError::Full(outgoing) | TrySendError::Closed(outgoing)) = refused {
            not_published(&outgoing);
        }
        let was_full = self.overflowing.swap(is_full, Ordering::Relaxed);
        if is_full && !was_full {
            tracing::warn!("too many tasks wait to be published; the sweep will publish the rest");
        }
    }

    /// Publishes the waiting messages and ends the task. Tasks that come later are left to the
    /// sweep, so call this when no more tasks are stored.
    pub async fn stop(&self) {
        self.stop.notify_one();
        let mut stopped = self.stopped.clone();
        // An error means that the task has ended already.
        let _ended = stopped.wait_for(|stopped| *stopped).await;
    }
}

struct Publishing {
    broker: SharedBroker,
    waiting: mpsc::Receiver<Outgoing>,
    /// Whether the last publish failed, so that an outage is logged only once.
    outage: bool,
}

impl Publishing {
    async fn run(mut self, stop: &Notify) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = self.waiting.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
                () = stop.notified() => {
                    // `recv_many` still returns what waits, and then nothing.
                    self.waiting.close();
                    continue;
                }
            }
            self.publish(&mut batch).await;
        }
    }

    async fn publish(&mut self, batch: &mut Vec<Outgoing>) {
        match self.broker.publish(batch).await {
            Ok(()) if self.outage => {
                self.outage = false;
                tracing::info!("the broker takes messages again");
            }
            Ok(()) => {}
            Err(error) => {
                metrics::counter!("task_center_publish_failures_total").increment(1);
                if !self.outage {
                    tracing::warn!(%error, "tasks are due, but not published; the sweep will publish them");
                }
                self.outage = true;
                batch.iter().for_each(not_published);
            }
        }
        batch.clear();
    }
}

/// Logs one line for each task of the message, beside the line with the reason.
fn not_published(outgoing: &Outgoing) {
    for task in outgoing.message.tasks() {
        tracing::info!(
            row = task.row.0,
            turn = task.turn.0,
            "a task is due, but not published; the sweep will publish it"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;
    use shared::broker::{Broker, BrokerError, Consumer, Depth, Queue, Result};
    use shared::task::{AtTurn, RowId, Turn};

    use super::*;

    /// A broker that records what is published and fails the first `failures` publishes. A publish
    /// waits while `gate` is held.
    #[derive(Default)]
    struct RecordingBroker {
        batches: Mutex<Vec<Vec<i64>>>,
        failures: AtomicUsize,
        gate: tokio::sync::Mutex<()>,
    }

    #[async_trait]
    impl Broker for RecordingBroker {
        async fn start(&self) -> Result<()> {
            Ok(())
        }

        async fn publish(&self, messages: &[Outgoing]) -> Result<()> {
            let _gate = self.gate.lock().await;
            let one_less = |left: usize| left.checked_sub(1);
            let order = Ordering::SeqCst;
            if self.failures.fetch_update(order, order, one_less).is_ok() {
                return Err(BrokerError::Unreachable("it is away".to_owned()));
            }
            let row = |outgoing: &Outgoing| match &outgoing.message {
                Message::Submit(task) if outgoing.delay.is_none() => task.row.0,
                other => panic!("{other:?}"),
            };
            let batch = messages.iter().map(row).collect();
            self.batches.lock().expect("not poisoned").push(batch);
            Ok(())
        }

        async fn consume(&self, _: Queue, _: u16) -> Result<Box<dyn Consumer>> {
            Err(BrokerError::Closed)
        }

        async fn ping(&self) -> Result<()> {
            Ok(())
        }

        async fn depths(&self) -> Result<Vec<Depth>> {
            Ok(Vec::new())
        }

        fn is_durable(&self) -> bool {
            false
        }

        async fn close(&self) {}
    }

    impl RecordingBroker {
        fn batches(&self) -> Vec<Vec<i64>> {
            self.batches.lock().expect("not poisoned").clone()
        }
    }

    fn task(row: i64) -> Message {
        Message::Submit(AtTurn {
            row: RowId(row),
            turn: Turn::FIRST,
        })
    }

    #[tokio::test]
    async fn what_waits_is_published_in_batches_before_it_stops() {
        let broker = Arc::new(RecordingBroker::default());
        let publisher = Publisher::start(broker.clone());
        let all: Vec<i64> = (0..600).collect();
        for row in &all {
            publisher.publish(task(*row));
        }
        publisher.stop().await;
        let batches = broker.batches();
        assert_eq!(batches.concat(), all);
        assert!(batches.iter().all(|batch| batch.len() <= BATCH));
        assert!(batches.len() <= 4, "{} publishes", batches.len());
    }

    #[tokio::test]
    async fn an_outage_costs_what_was_tried_in_it_and_nothing_after() {
        let broker = Arc::new(RecordingBroker::default());
        broker.failures.store(1, Ordering::SeqCst);
        let publisher = Publisher::start(broker.clone());
        publisher.publish(task(1));
        while broker.failures.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        publisher.publish(task(2));
        publisher.stop().await;
        assert_eq!(broker.batches(), [[2]]);
    }

    #[tokio::test]
    async fn a_broker_that_hangs_holds_no_submit_up() {
        let broker = Arc::new(RecordingBroker::default());
        let gate = broker.gate.lock().await;
        let publisher = Publisher::start(broker.clone());
        let tasks = i64::try_from(WAITING + 1_000).expect("it fits");
        for row in 0..tasks {
            publisher.publish(task(row));
        }
        drop(gate);
        publisher.stop().await;
        assert_eq!(broker.batches().concat().len(), WAITING);
    }

    #[tokio::test]
    async fn after_the_stop_it_neither_waits_nor_fails() {
        let broker = Arc::new(RecordingBroker::default());
        let publisher = Publisher::start(broker.clone());
        publisher.stop().await;
        publisher.publish(task(1));
        publisher.clone().stop().await;
        assert_eq!(broker.batches(), [[0_i64; 0]; 0]);
    }
}
