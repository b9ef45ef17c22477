//! One life of a consumer's channel, and what there is to tell the broker in it.

use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicNackOptions, BasicRejectOptions};
use tokio::time::{Instant, sleep_until};

use super::acks::{Acks, Frame};
use super::error::{broker_error, within};
use super::topology;
use crate::broker::{BrokerError, Result, Verdict};

/// The longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a finished delivery waits for others to be told with it.
const GATHER: Duration = Duration::from_millis(5);

/// A consumer that received nothing for so long is subscribed anew. If its queue was deleted and
/// declared again within milliseconds, 3.10 moves the consumer over to the new queue without a word,
/// sends it messages, and drops them on the way: nothing shows that from here.
const QUIET: Duration = Duration::from_secs(20);

/// How a delivery ended: of which life of the channel, which one, and how.
pub(super) type Ended = (u64, u64, Verdict);

/// One life of a channel: delivery tags mean nothing outside it.
pub(super) struct Life {
    pub(super) epoch: u64,
    channel: Channel,
    acks: Acks,
    /// When finished deliveries are told.
    tell_at: Option<Instant>,
    /// When the last message came.
    received_at: Instant,
}

impl Life {
    pub(super) fn new(epoch: u64, channel: Channel) -> Self {
        Self {
            epoch,
            channel,
            acks: Acks::default(),
            tell_at: None,
            received_at: Instant::now(),
        }
    }

    /// A message came.
    pub(super) fn received(&mut self, tag: u64) {
        self.acks.delivered(tag);
        self.received_at = Instant::now();
    }

    /// A delivery ended.
    pub(super) fn ended(&mut self, (epoch, tag, verdict): Ended) {
        if epoch != self.epoch {
            return; // of an earlier life
        }
        self.acks.ended(tag, verdict);
        self.tell_at.get_or_insert_with(|| Instant::now() + GATHER);
    }

    /// How many came and did not end yet.
    pub(super) fn open(&self) -> u64 {
        self.acks.open()
    }

    /// How many ended and were not told yet.
    pub(super) fn untold(&self) -> usize {
        self.acks.untold()
    }

    /// Waits until finished deliveries are to be told; for ever if there are none.
    pub(super) async fn due(&self) {
        match self.tell_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Sends what there is to tell.
    pub(super) async fn tell(&mut self) -> Result<()> {
        self.tell_at = None;
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

    /// Asks for no more deliveries; those under way still come, and then the end of the stream.
    pub(super) async fn cancel(&self, tag: &str) -> Result<()> {
        let canceled = self
            .channel
            .basic_cancel(tag.into(), BasicCancelOptions::default());
        within(ANSWER, "canceling a consumer", canceled).await
    }

    /// Whether nothing came for long, with nothing left to end.
    pub(super) fn is_quiet(&self) -> bool {
        self.acks.open() == 0 && self.received_at.elapsed() > QUIET
    }

    pub(super) fn ensure_open(&self) -> Result<()> {
        if self.channel.status().connected() {
            return Ok(());
        }
        Err(BrokerError::Unreachable("the channel closed".to_owned()))
    }

    /// Tells what there is to tell. What is open goes back to its queue.
    pub(super) async fn close(&mut self) -> Result<()> {
        self.tell().await?;
        topology::close(&self.channel).await;
        Ok(())
    }
}
