//! Messages out: pipelined, each confirmed, none waited for longer than some seconds.
//!
//! A batch has a channel to itself until all of it is confirmed. That keeps two things exact which
//! lapin leaves to its user: confirms are matched by the order of sending, and a message that no
//! queue took comes back attached to *some* confirm of its channel.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind, PublisherConfirm};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::{broker_error, is_not_found, no_answer, within};
use super::healer::Healer;
use super::link::{Link, Site};
use crate::broker::{BrokerError, Outgoing, Result};

/// The longest that a publish takes, whatever happens.
const PUBLISH: Duration = Duration::from_secs(5);

/// The longest that the broker may take to say that it is there.
const PING: Duration = Duration::from_secs(3);

/// How many batches may be under way at once. More wait for a channel, within [`PUBLISH`].
const CHANNELS: usize = 16;

/// Persistent: it survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// Publishes over one link.
#[derive(Debug)]
pub(super) struct Publisher {
    site: Arc<Site>,
    link: Arc<Link>,
    healer: Healer,
    permits: Semaphore,
    /// Channels that have nothing under way.
    idle: Mutex<Vec<Channel>>,
}

impl Publisher {
    pub(super) fn new(site: Arc<Site>, link: Arc<Link>) -> Self {
        Self {
            healer: Healer::new(Arc::clone(&site), Arc::clone(&link)),
            site,
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
        // If this future is dropped or fails, the channel is dropped with what was under way on it.
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
            Some(rung) => self.site.names.delay(rung),
            None => self.site.names.work(),
        };
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        channel
            .basic_publish(
                exchange.into(),
                outgoing.message.queue().as_str().into(),
                options,
                &outgoing.message.to_json(),
                properties(),
            )
            .await
    }

    /// A channel with nothing under way, in confirm mode.
    async fn channel(&self) -> Result<Channel> {
        let connection = self.link.connection()?;
        if connection.status().blocked() {
            return Err(BrokerError::NotTaken(
                "it takes no messages now, for want of memory or disk".to_owned(),
            ));
        }
        // Those of an earlier connection are not connected any more.
        while let Some(channel) = self.take_idle() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let opening = async {
            let channel = connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        };
        within(PUBLISH, "opening a channel", opening).await
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
                self.site.names.work().into(),
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

    /// Takes no more, waits for what is under way, and closes the link.
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

/// What each of our messages says about itself.
pub(super) fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
}
