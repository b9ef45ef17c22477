//! The task behind a consumer: subscribes, hands deliveries over, sends acknowledgements in batches, and
//! subscribes again when the channel closes.

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

use super::channel::ANSWER;
use super::consumer::{Phase, Received};
use super::error::{broker_error, within};
use super::link::{BrokerContext, Link, wait_again};
use super::proof::is_probe;
use super::session::{ChannelSession, Settled};
use super::topology;
use crate::broker::parked::{self, Why};
use crate::broker::{self, BrokerError, Delivery, Queue, Receipt, Result, Verdict};

/// The pause between two checks of the channel, beside its events.
const LOOK: Duration = Duration::from_secs(1);

/// After a channel that lived longer than this, the waits between retries start over.
const STABLE: Duration = Duration::from_secs(10);

/// A subscription to one queue.
pub(super) struct Subscription {
    pub(super) context: Arc<BrokerContext>,
    pub(super) link: Arc<Link>,
    pub(super) queue: Queue,
    pub(super) tag: String,
    pub(super) prefetch: u16,
    pub(super) received: mpsc::UnboundedSender<Received>,
    pub(super) settle: mpsc::UnboundedSender<Settled>,
    pub(super) settled: mpsc::UnboundedReceiver<Settled>,
    pub(super) epoch: Arc<AtomicU64>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) stopped: watch::Sender<bool>,
    /// Receives the outcome of the first subscription.
    pub(super) started: Option<oneshot::Sender<Result<()>>>,
}

impl Subscription {
    /// Runs until the subscription is stopped and all deliveries are settled, or until it is closed.
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
            // Deliveries of this session come again: a verdict on them has no effect from now on.
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
                self.report_start(Err(error));
                break;
            }
            if since.elapsed() > STABLE {
                failures = 0;
            }
            let wait = wait_again(failures, &self.context.random);
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

    fn report_start(&mut self, result: Result<()>) {
        if let Some(started) = self.started.take() {
            // The caller may have stopped waiting.
            let _ = started.send(result);
        }
    }

    /// Opens a channel and runs it until it closes.
    async fn subscribe(&mut self, connection: &Connection, declare: bool) -> Result<End> {
        if declare {
            // The queue may have been deleted under us.
            topology::declare(connection, &self.context.names).await?;
        }
        let queue = self.context.names.queue(self.queue);
        let doing = format!("consuming from queue {queue}");
        let (channel, deliveries) = within(ANSWER, &doing, async {
            let channel = connection.create_channel().await?;
            // Per consumer: quorum queues allow nothing else.
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
        self.report_start(Ok(()));
        let session = ChannelSession::new(self.epoch.load(Ordering::SeqCst), channel);
        self.receive_all(session, deliveries).await
    }

    async fn receive_all(
        &mut self,
        mut session: ChannelSession,
        mut deliveries: lapin::Consumer,
    ) -> Result<End> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until = Phase::Stopping;
        let mut flowing = true;
        loop {
            tokio::select! {
                biased;
                phase = at_least(&mut self.phase, until) => {
                    if phase == Phase::Closing {
                        self.take_settled(&mut session);
                        session.close().await?;
                        return Ok(End::Stopped);
                    }
                    until = Phase::Closing;
                    session.cancel(&self.tag).await?;
                }
                Some(settled) = self.settled.recv() => {
                    session.settled(settled);
                    self.take_settled(&mut session);
                    if session.unsent() >= self.flush_size() {
                        session.flush().await?;
                    }
                }
                () = session.flush_due() => session.flush().await?,
                delivery = deliveries.next(), if flowing => match delivery {
                    Some(Ok(message)) => self.receive(&message, &mut session),
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
                    session.ensure_open()?;
                    if flowing && session.is_quiet() {
                        session.close().await?;
                        return Ok(End::Quiet);
                    }
                }
            }
            if !flowing && session.open() == 0 {
                session.close().await?;
                return Ok(End::Stopped);
            }
        }
    }

    /// Hands a message over. A probe is acknowledged, and a message that does not read is parked.
    fn receive(&self, message: &Message, session: &mut ChannelSession) {
        let tag = message.delivery_tag;
        session.received(tag);
        if is_probe(&message.properties) {
            session.settled((session.epoch, tag, Verdict::Ack));
            return;
        }
        match self.read(message) {
            Ok(ours) => {
                let settle = self.settle.clone();
                let epoch = session.epoch;
                let queue = self.queue;
                let receipt = Receipt::new(move |verdict| {
                    if verdict == Verdict::Park {
                        parked::count(queue, Why::Refused);
                    }
                    // Without a receiver, the broker delivers the message again.
                    let _ = settle.send((epoch, tag, verdict));
                });
                let delivery = Delivery::new(ours, message.redelivered, receipt);
                // Without a consumer, the delivery is dropped, and goes back to its queue.
                let _ = self.received.send(Received { epoch, delivery });
            }
            Err(why) => {
                let (row, turn) = broker::message::named(&message.data);
                let queue = self.context.names.queue(self.queue);
                tracing::warn!(queue, row, turn, %why, "parked a message that does not read");
                parked::count(self.queue, Why::Unreadable);
                session.settled((session.epoch, tag, Verdict::Park));
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

    /// Takes in all verdicts that wait.
    fn take_settled(&mut self, session: &mut ChannelSession) {
        while let Ok(settled) = self.settled.try_recv() {
            session.settled(settled);
        }
    }

    /// This many acknowledgements are sent at once: half the prefetch window, so that it never runs dry.
    fn flush_size(&self) -> usize {
        usize::from(self.prefetch / 2).max(1)
    }
}

/// Why a session ended without an error.
enum End {
    /// The subscription was stopped.
    Stopped,
    /// No message came for long, so another session is to begin.
    Quiet,
}

/// Waits until the subscription is in phase `wanted` or later; returns the phase. If both the consumer and
/// the Broker are gone, that is the last phase.
async fn at_least(phase: &mut watch::Receiver<Phase>, wanted: Phase) -> Phase {
    let reached = phase.wait_for(|phase| *phase >= wanted).await;
    reached.map_or(Phase::Closing, |phase| *phase)
}
