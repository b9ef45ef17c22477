//! The task behind a consumer: subscribes, hands deliveries over, sends acknowledgements in bulk, and
//! subscribes again whenever that ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::Connection;
use lapin::message::Delivery as Message;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::consumer::{Phase, Received};
use super::error::{broker_error, within};
use super::life::{Ended, Life};
use super::link::{Link, Site, wait_again};
use super::proof::is_probe;
use super::topology;
use crate::broker::parked::{self, Why};
use crate::broker::{self, BrokerError, Delivery, Queue, Receipt, Result, Verdict};

/// The longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How often we look whether the channel stands, besides being told.
const LOOK: Duration = Duration::from_secs(1);

/// A subscription that lived this long starts the row of waits anew.
const STABLE: Duration = Duration::from_secs(10);

/// A subscription to one queue.
pub(super) struct Subscription {
    pub(super) site: Arc<Site>,
    pub(super) link: Arc<Link>,
    pub(super) queue: Queue,
    pub(super) tag: String,
    pub(super) prefetch: u16,
    pub(super) received: mpsc::UnboundedSender<Received>,
    pub(super) tell: mpsc::UnboundedSender<Ended>,
    pub(super) ended: mpsc::UnboundedReceiver<Ended>,
    pub(super) epoch: Arc<AtomicU64>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) stopped: watch::Sender<bool>,
    /// Told once the first subscription stands, or is refused.
    pub(super) started: Option<oneshot::Sender<Result<()>>>,
}

impl Subscription {
    /// Runs until it was stopped and all that it delivered has ended, or it is closed.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        parked::start_at_zero(self.queue);
        loop {
            let connection = tokio::select! {
                biased;
                _ = at_least(&mut self.phase, Phase::Stopping) => break,
                connection = self.link.connected() => connection,
            };
            let Ok(connection) = connection else { break };
            let since = Instant::now();
            let lived = self.subscribe(&connection, failures > 0).await;
            // What was delivered comes again: to end it now means nothing.
            self.epoch.fetch_add(1, Ordering::SeqCst);
            let error = match lived {
                Ok(End::Stopped) => break,
                Ok(End::Quiet) => {
                    failures = 0;
                    continue;
                }
                Err(error) => error,
            };
            if self.started.is_some() && matches!(error, BrokerError::Refused(_)) {
                self.tell_start(Err(error));
                break;
            }
            if since.elapsed() > STABLE {
                failures = 0;
            }
            let wait = wait_again(failures, &self.site.random);
            failures = failures.saturating_add(1);
            tracing::warn!(consumer = %self.tag, %error, ?wait, "the consumer ended; it starts again");
            tokio::select! {
                _ = at_least(&mut self.phase, Phase::Stopping) => break,
                () = sleep(wait) => {}
            }
        }
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.stopped.send_replace(true);
    }

    fn tell_start(&mut self, result: Result<()>) {
        if let Some(started) = self.started.take() {
            // Nobody waits for it any more: fine.
            let _ = started.send(result);
        }
    }

    /// One life of the channel.
    async fn subscribe(&mut self, connection: &Connection, declare: bool) -> Result<End> {
        if declare {
            // The queue may have been deleted under us.
            topology::declare(connection, &self.site.names).await?;
        }
        let queue = self.site.names.queue(self.queue);
        let doing = format!("consuming from queue {queue}");
        let (channel, deliveries) = within(ANSWER, &doing, async {
            let channel = connection.create_channel().await?;
            // Per consumer: quorum queues know no other.
            channel
                .basic_qos(self.prefetch, BasicQosOptions { global: false })
                .await?;
            let deliveries = channel
                .basic_consume(
                    queue.as_str().into(),
                    self.tag.as_str().into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            Ok((channel, deliveries))
        })
        .await?;
        self.tell_start(Ok(()));
        let life = Life::new(self.epoch.load(Ordering::SeqCst), channel);
        self.live(life, deliveries).await
    }

    async fn live(&mut self, mut life: Life, mut deliveries: lapin::Consumer) -> Result<End> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until = Phase::Stopping;
        let mut flowing = true;
        loop {
            tokio::select! {
                biased;
                phase = at_least(&mut self.phase, until) => {
                    if phase == Phase::Closing {
                        self.take_ended(&mut life);
                        life.close().await?;
                        return Ok(End::Stopped);
                    }
                    until = Phase::Closing;
                    life.cancel(&self.tag).await?;
                }
                Some(ended) = self.ended.recv() => {
                    life.ended(ended);
                    self.take_ended(&mut life);
                    if life.untold() >= self.many() {
                        life.tell().await?;
                    }
                }
                () = life.due() => life.tell().await?,
                delivery = deliveries.next(), if flowing => match delivery {
                    Some(Ok(message)) => self.receive(&message, &mut life),
                    Some(Err(error)) => return Err(broker_error("receiving", &error)),
                    None if until == Phase::Closing => {
                        flowing = false;
                        self.stopped.send_replace(true);
                    }
                    None => return Err(BrokerError::Unreachable(
                        "the broker ended the consumer: its queue was deleted".to_owned(),
                    )),
                },
                _ = look.tick() => {
                    life.ensure_open()?;
                    if flowing && life.is_quiet() {
                        life.close().await?;
                        return Ok(End::Quiet);
                    }
                }
            }
            if !flowing && life.open() == 0 {
                life.close().await?;
                return Ok(End::Stopped);
            }
        }
    }

    /// Hands a message over, or ends it if it is none of ours.
    fn receive(&self, message: &Message, life: &mut Life) {
        let tag = message.delivery_tag;
        life.received(tag);
        if is_probe(&message.properties) {
            life.ended((life.epoch, tag, Verdict::Ack));
            return;
        }
        match self.read(message) {
            Ok(ours) => {
                let tell = self.tell.clone();
                let epoch = life.epoch;
                let queue = self.queue;
                let receipt = Receipt::new(move |verdict| {
                    if verdict == Verdict::Park {
                        parked::count(queue, Why::Refused);
                    }
                    // Nobody there any more: the broker gives it to another.
                    let _ = tell.send((epoch, tag, verdict));
                });
                let delivery = Delivery::new(ours, message.redelivered, receipt);
                // A consumer that is gone: dropped here, the delivery goes back to its queue.
                let _ = self.received.send(Received { epoch, delivery });
            }
            Err(why) => {
                let (row, turn) = broker::message::named(&message.data);
                let queue = self.site.names.queue(self.queue);
                tracing::warn!(queue, row, turn, %why, "parked a message that does not read");
                parked::count(self.queue, Why::Unreadable);
                life.ended((life.epoch, tag, Verdict::Park));
            }
        }
    }

    fn read(&self, message: &Message) -> std::result::Result<broker::Message, String> {
        let ours = broker::Message::from_json(&message.data).map_err(|why| why.to_string())?;
        if ours.queue() == self.queue {
            return Ok(ours);
        }
        Err(format!("it belongs into {:?}", ours.queue()))
    }

    /// Takes in whatever ended meanwhile.
    fn take_ended(&mut self, life: &mut Life) {
        while let Ok(ended) = self.ended.try_recv() {
            life.ended(ended);
        }
    }

    /// So many finished deliveries are told at once: half the window, so that it never runs dry.
    fn many(&self) -> usize {
        usize::from(self.prefetch / 2).max(1)
    }
}

/// Why a channel's life ended in order.
enum End {
    /// We were to stop.
    Stopped,
    /// Nothing came for long, so there is another to begin.
    Quiet,
}

/// Waits until a subscription is to be in phase `wanted` or later, and says in which. If both the
/// consumer and the Broker are gone, that is the last.
async fn at_least(phase: &mut watch::Receiver<Phase>, wanted: Phase) -> Phase {
    let reached = phase.wait_for(|phase| *phase >= wanted).await;
    reached.map_or(Phase::Closing, |phase| *phase)
}
