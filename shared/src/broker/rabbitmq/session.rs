//! One channel of a subscription, from its opening until it closes, and its acknowledgements.

use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicNackOptions, BasicRejectOptions};
use tokio::time::{Instant, sleep_until};

use super::acks::{Acks, Frame};
use super::channel::{self, ANSWER};
use super::error::{broker_error, within};
use crate::broker::{BrokerError, Result, Verdict};

/// How long an acknowledgement waits for others to be sent with it.
const FLUSH_DELAY: Duration = Duration::from_millis(5);

/// A consumer that received nothing for this long is subscribed again. If its queue was deleted and
/// declared again within milliseconds, `RabbitMQ` 3.10 moves the consumer to the new queue, sends it
/// messages, and drops them on the way. The consumer gets no sign of that.
const QUIET: Duration = Duration::from_secs(20);

/// A verdict: the epoch of the session, the delivery tag, and how the delivery is settled.
pub(super) type Settled = (u64, u64, Verdict);

/// One channel until it closes. Delivery tags mean nothing outside it.
pub(super) struct ChannelSession {
    pub(super) epoch: u64,
    channel: Channel,
    acks: Acks,
    /// When acknowledgements are sent.
    flush_at: Option<Instant>,
    /// When the last message came.
    received_at: Instant,
}

impl ChannelSession {
    pub(super) fn new(epoch: u64, channel: Channel) -> Self {
        Self {
            epoch,
            channel,
            acks: Acks::default(),
            flush_at: None,
            received_at: Instant::now(),
        }
    }

    /// Notes a message.
    pub(super) fn received(&mut self, tag: u64) {
        self.acks.delivered(tag);
        self.received_at = Instant::now();
    }

    /// Notes a verdict.
    pub(super) fn settled(&mut self, (epoch, tag, verdict): Settled) {
        if epoch != self.epoch {
            return; // of an earlier session
        }
        self.acks.settled(tag, verdict);
        self.flush_at
            .get_or_insert_with(|| Instant::now() + FLUSH_DELAY);
    }

    /// How many deliveries are not settled yet.
    pub(super) fn open(&self) -> u64 {
        self.acks.open()
    }

    /// How many acknowledgements are not sent yet.
    pub(super) fn unsent(&self) -> usize {
        self.acks.unsent()
    }

    /// Waits until acknowledgements are to be sent; for ever if there are none.
    pub(super) async fn flush_due(&self) {
        match self.flush_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Sends the acknowledgements.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.flush_at = None;
        let (rejected, acked): (Vec<Frame>, Vec<Frame>) = self
            .acks
            .take()
            .into_iter()
            .partition(|frame| matches!(frame, Frame::Requeue(_) | Frame::Park(_)));
        for frames in [rejected, acked] {
            let sent = frames.into_iter().map(|frame| self.send(frame));
            try_join_all(sent)
                .await
                .map_err(|error| broker_error("acknowledging", &error))?;
        }
        Ok(())
    }

    async fn send(&self, frame: Frame) -> lapin::Result<()> {
        let channel = &self.channel;
        match frame {
            Frame::Requeue(tag) => {
                let requeue = BasicNackOptions {
                    requeue: true,
                    ..BasicNackOptions::default()
                };
                channel.basic_nack(tag, requeue).await
            }
            Frame::Park(tag) => {
                let park = BasicRejectOptions { requeue: false };
                channel.basic_reject(tag, park).await
            }
            Frame::UpTo(tag) => {
                channel
                    .basic_ack(tag, BasicAckOptions { multiple: true })
                    .await
            }
            Frame::One(tag) => channel.basic_ack(tag, BasicAckOptions::default()).await,
        }
    }

    /// Asks the broker to stop delivering. Deliveries under way still come, then the end of the stream.
    pub(super) async fn cancel(&self, tag: &str) -> Result<()> {
        let canceled = self
            .channel
            .basic_cancel(tag.into(), BasicCancelOptions::default());
        within(ANSWER, "canceling a consumer", canceled).await
    }

    /// Whether no message came for [`QUIET`], and all are settled.
    pub(super) fn is_quiet(&self) -> bool {
        self.acks.open() == 0 && self.received_at.elapsed() > QUIET
    }

    pub(super) fn ensure_open(&self) -> Result<()> {
        if self.channel.status().connected() {
            return Ok(());
        }
        Err(BrokerError::Unreachable("the channel closed".to_owned()))
    }

    /// Sends the acknowledgements and closes the channel. Unsettled messages go back to their queue.
    pub(super) async fn close(&mut self) -> Result<()> {
        self.flush().await?;
        channel::close(&self.channel).await;
        Ok(())
    }
}
