//! Publishes messages: pipelined, each confirmed, within a few seconds.
//!
//! A batch has a channel to itself until all of it is confirmed. Two things of lapin need that: it matches
//! confirms by the order of sending, and it attaches a message that no queue took to *some* confirm of its
//! channel.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::options::ExchangeDeclareOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind, PublisherConfirm};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::channel::{self, mandatory};
use super::error::{broker_error, is_not_found, no_answer};
use super::healer::Healer;
use super::link::{BrokerContext, Link};
use crate::broker::{BrokerError, Outgoing, Result};

/// The longest time that a publish takes.
const PUBLISH: Duration = Duration::from_secs(5);

/// The longest wait for the answer to a ping.
const PING: Duration = Duration::from_secs(3);

/// The most batches that are under way at once. More batches wait for a channel, within [`PUBLISH`].
const CHANNELS: usize = 16;

/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Publishes over one link.
#[derive(Debug)]
pub(super) struct Publisher {
    context: Arc<BrokerContext>,
    link: Arc<Link>,
    healer: Healer,
    permits: Semaphore,
    /// Channels with nothing under way.
    idle: Mutex<Vec<Channel>>,
}

impl Publisher {
    pub(super) fn new(context: Arc<BrokerContext>, link: Arc<Link>) -> Self {
        Self {
            healer: Healer::new(Arc::clone(&context), Arc::clone(&link)),
            context,
            link,
            permits: Semaphore::new(CHANNELS),
            idle: Mutex::default(),
        }
    }

    /// See [`crate::broker::Broker::publish`].
    pub(super) async fn publish(&self, messages: &[Outgoing]) -> Result<()> {
        if messages.is_empty() {
            return self.link.connection().map(drop);
        }
        timeout(PUBLISH, self.publish_all(messages))
            .await
            .unwrap_or_else(|_| Err(no_answer(PUBLISH, "publishing")))
    }

    async fn publish_all(&self, messages: &[Outgoing]) -> Result<()> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(BrokerError::Closed);
        };
        let channel = self.channel().await?;
        // If this fails or is dropped, the channel is dropped with what was under way on it.
        self.confirmed(&channel, messages).await?;
        self.idle().push(channel);
        Ok(())
    }

    async fn confirmed(&self, channel: &Channel, messages: &[Outgoing]) -> Result<()> {
        let failed = |error: lapin::Error| {
            if is_not_found(&error) {
                self.healer.heal();
                return BrokerError::NotTaken(error.to_string());
            }
            broker_error("publishing", &error)
        };
        let sent = messages.iter().map(|message| self.send(channel, message));
        let confirms = try_join_all(sent).await.map_err(failed)?;
        let mut not_taken = None;
        for confirmation in try_join_all(confirms).await.map_err(failed)? {
            match confirmation {
                Confirmation::Ack(None) | Confirmation::NotRequested => {}
                Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                    self.healer.heal();
                    not_taken = Some(format!(
                        "no queue is bound to exchange {} for {:?} ({})",
                        returned.exchange, returned.routing_key, returned.reply_text
                    ));
                }
                Confirmation::Nack(None) => {
                    not_taken = Some("a queue is full or has no leader".to_owned());
                }
            }
        }
        not_taken.map_or(Ok(()), |why| Err(BrokerError::NotTaken(why)))
    }

    async fn send(
        &self,
        channel: &Channel,
        outgoing: &Outgoing,
    ) -> lapin::Result<PublisherConfirm> {
        let exchange = match outgoing.delay {
            Some(rung) => self.context.names.delay(rung),
            None => self.context.names.work(),
        };
        channel
            .basic_publish(
                exchange.into(),
                outgoing.message.queue().as_str().into(),
                mandatory(),
                &outgoing.message.to_json(),
                properties(),
            )
            .await
    }

    /// A channel with nothing under way, in confirm mode.
    async fn channel(&self) -> Result<Channel> {
        let connection = self.link.connection()?;
        if connection.status().blocked() {
            return Err(BrokerError::Blocked(self.link.short_of()));
        }
        // Channels of an earlier connection are not connected.
        while let Some(channel) = self.take_idle() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        channel::open_confirming(&connection).await
    }

    /// See [`crate::broker::Broker::ping`].
    pub(super) async fn ping(&self) -> Result<()> {
        let asked = async {
            let channel = self.channel().await?;
            let options = ExchangeDeclareOptions {
                passive: true,
                ..ExchangeDeclareOptions::default()
            };
            let asked = channel.exchange_declare(
                self.context.names.work().into(),
                ExchangeKind::Direct,
                options,
                FieldTable::default(),
            );
            asked.await.map_err(|error| {
                if is_not_found(&error) {
                    self.healer.heal();
                }
                broker_error("asking whether it is there", &error)
            })?;
            self.idle().push(channel);
            Ok(())
        };
        timeout(PING, asked)
            .await
            .unwrap_or_else(|_| Err(no_answer(PING, "asking whether it is there")))
    }

    /// Takes no more batches, waits for those under way, and closes the link.
    pub(super) async fn close(&self) {
        let all = u32::try_from(CHANNELS).unwrap_or(u32::MAX);
        // What is under way ends within PUBLISH, so this does.
        let all = self.permits.acquire_many(all).await;
        self.permits.close();
        drop(all);
        self.link.close().await;
        self.idle().clear();
    }

    fn take_idle(&self) -> Option<Channel> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The properties of each message.
pub(super) fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
}
