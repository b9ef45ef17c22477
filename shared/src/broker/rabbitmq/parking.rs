//! The parking queue for an operator: lists, requeues and deletes its messages.
//!
//! The connection declares nothing, so that a wrong `QUEUE_PREFIX` finds no queue and makes none. Messages
//! that are held while an operator looks go back when the channel closes, even if the process dies: to the
//! head of the queue, in their order. To reject them instead would send them to the tail, because the
//! queue has no delivery limit (seen on 3.10).

use futures_util::future::try_join_all;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use super::RabbitMqOptions;
use super::channel::{self, ANSWER, mandatory};
use super::connection::Connector;
use super::error::{broker_error, within};
use super::names::{Names, Process, Role};
use super::proof::is_probe;
use crate::broker::parking::{Parked, ParkedPage, Requeued};
use crate::broker::{BrokerError, Result};

/// The most messages that are requeued or deleted at once. A broker's channel passes 32 acknowledgements on
/// to a quorum queue, and keeps more until these are written. Those that it keeps when it closes are
/// lost, and their messages come back (seen on 3.10).
const AT_ONCE: usize = 25;

/// A message that went back this often is published again after it was listed: `RabbitMQ` counts that, and
/// from 4.0 on drops a message that went back 20 times.
const RENEW_AT: i64 = 10;

/// The header in which the broker counts how often a message went back.
const RETURNS: &str = "x-delivery-count";

/// The parking queue.
pub struct Parking {
    connection: Connection,
    names: Names,
}

impl Parking {
    /// Connects. `Err`, too, if there is no parking queue.
    pub async fn open(options: RabbitMqOptions) -> Result<Self> {
        let connector = Connector::new(&options.url, Process::this(options.program))?;
        let parking = Self {
            connection: connector.open(Role::Publish).await?,
            names: Names::new(options.prefix),
        };
        let channel = parking.channel().await?;
        channel.depth().await?;
        channel.close().await;
        Ok(parking)
    }

    /// The oldest messages, at most `most`. They stay parked.
    pub async fn page(&self, most: u64) -> Result<ParkedPage> {
        let channel = self.channel().await?;
        let parked = channel.depth().await?;
        let held = channel.take(most).await?;
        let messages = held.iter().map(read).collect();
        channel.renew(held).await?;
        channel.close().await;
        Ok(ParkedPage { parked, messages })
    }

    /// Requeues the oldest messages, at most `most` of those that are parked now. Each is confirmed in its
    /// queue before it is deleted here, so a process that dies may double some; a doubled message does no
    /// harm.
    pub async fn requeue(&self, most: u64) -> Result<Requeued> {
        let channel = self.channel().await?;
        let parked = channel.depth().await?;
        let mut done = Requeued::default();
        let mut unknown = Vec::new();
        let mut left = most.min(parked);
        while left > 0 {
            let held = channel.take(left.min(AT_ONCE as u64)).await?;
            if held.is_empty() {
                break; // another operator took the rest
            }
            left = left.saturating_sub(count(&held));
            let (go, stay): (Vec<_>, Vec<_>) = held
                .into_iter()
                .partition(|message| read(message).queue.is_some());
            channel.to_their_queues(&go).await?;
            done.requeued += count(&go);
            // Held to the end: given back now, they would be taken again.
            unknown.extend(stay);
        }
        done.unknown = count(&unknown);
        done.left = parked.saturating_sub(done.requeued);
        channel.renew(unknown).await?;
        channel.close().await;
        Ok(done)
    }

    /// Deletes the oldest messages, at most `most` of those that are parked now; returns them.
    pub async fn delete(&self, most: u64) -> Result<Vec<Parked>> {
        let channel = self.channel().await?;
        let mut left = most.min(channel.depth().await?);
        let mut dropped = Vec::new();
        while left > 0 {
            let held = channel.take(left.min(AT_ONCE as u64)).await?;
            if held.is_empty() {
                break;
            }
            left = left.saturating_sub(count(&held));
            acknowledge(&held).await?;
            dropped.extend(held.iter().map(read));
        }
        channel.close().await;
        Ok(dropped)
    }

    /// Closes the connection.
    pub async fn close(&self) {
        let closed = self.connection.close(200, "done".into());
        if let Err(error) = within(ANSWER, "closing the connection", closed).await {
            tracing::debug!(%error, "the connection was not closed in order");
        }
    }

    async fn channel(&self) -> Result<ParkingChannel<'_>> {
        let channel = channel::open_confirming(&self.connection).await?;
        let names = &self.names;
        Ok(ParkingChannel { channel, names })
    }
}

/// A channel that holds messages while they are listed, requeued or deleted.
struct ParkingChannel<'a> {
    channel: Channel,
    names: &'a Names,
}

impl ParkingChannel<'_> {
    /// Closes the channel: messages that are not acknowledged go back.
    async fn close(self) {
        channel::close(&self.channel).await;
    }

    async fn depth(&self) -> Result<u64> {
        let queue = self.names.parking();
        let doing = format!(
            "asking for queue {queue} (the first start of an api or a worker makes it; is \
             QUEUE_PREFIX theirs?)"
        );
        channel::depth(&self.channel, &queue, &doing).await
    }

    /// Takes at most `most` messages; the channel holds them until they are acknowledged or it closes.
    async fn take(&self, most: u64) -> Result<Vec<BasicGetMessage>> {
        let queue = self.names.parking();
        let doing = format!("reading queue {queue}");
        let mut held = Vec::new();
        while count(&held) < most {
            let got = self
                .channel
                .basic_get(queue.as_str().into(), BasicGetOptions::default());
            let Some(message) = within(ANSWER, &doing, got).await? else {
                break;
            };
            if is_probe(&message.properties) {
                // Sent by a program that is starting, which does not need it back.
                acknowledge(&[message]).await?;
            } else {
                held.push(message);
            }
        }
        Ok(held)
    }

    async fn to_their_queues(&self, messages: &[BasicGetMessage]) -> Result<()> {
        let targets = messages.iter().filter_map(|message| {
            let key = read(message).queue?.as_str();
            Some((message, self.names.work(), key))
        });
        self.publish(targets.collect()).await?;
        acknowledge(messages).await
    }

    /// Publishes messages again, to the parking queue, that went back at least [`RENEW_AT`] times.
    async fn renew(&self, messages: Vec<BasicGetMessage>) -> Result<()> {
        let worn: Vec<BasicGetMessage> = messages
            .into_iter()
            .filter(|message| returns(message) >= RENEW_AT)
            .collect();
        for some in worn.chunks(AT_ONCE) {
            let targets = some
                .iter()
                .map(|message| (message, self.names.dead(), message.routing_key.as_str()));
            self.publish(targets.collect()).await?;
            acknowledge(some).await?;
        }
        Ok(())
    }

    /// Publishes copies of `messages`, each confirmed.
    async fn publish(&self, messages: Vec<(&BasicGetMessage, String, &str)>) -> Result<()> {
        let sent = messages
            .iter()
            .map(|(message, exchange, key)| self.send(message, exchange, key));
        let confirmed = async { try_join_all(try_join_all(sent).await?).await };
        for confirmation in within(ANSWER, "putting messages back", confirmed).await? {
            // lapin attaches a returned message to some confirm of its channel, so it is not known which
            // message was not taken: all of them stay parked.
            if !matches!(confirmation, Confirmation::Ack(None)) {
                return Err(BrokerError::NotTaken(
                    "a message could not be put back: its queue is missing, full, or has no \
                     leader. Nothing is lost; some may be in their queue and still here, which does \
                     no harm"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        message: &BasicGetMessage,
        exchange: &str,
        key: &str,
    ) -> lapin::Result<lapin::PublisherConfirm> {
        self.channel
            .basic_publish(
                exchange.into(),
                key.into(),
                mandatory(),
                &message.data,
                copied(&message.properties),
            )
            .await
    }
}

async fn acknowledge(messages: &[BasicGetMessage]) -> Result<()> {
    let acked = messages
        .iter()
        .map(|message| message.acker.ack(BasicAckOptions::default()));
    let acked = try_join_all(acked).await;
    acked.map_err(|error| broker_error("acknowledging parked messages", &error))?;
    Ok(())
}

/// The message as an operator sees it.
fn read(message: &BasicGetMessage) -> Parked {
    let parked = Parked::read(&message.data, message.routing_key.as_str());
    let Some(last) = last_death(&message.properties) else {
        return parked;
    };
    Parked {
        reason: text(last, "reason"),
        times: number(last, "count").map_or(0, i64::unsigned_abs),
        at: number(last, "time"),
        ..parked
    }
}

/// What the broker noted when it parked the message last: the first entry of `x-death`.
fn last_death(properties: &BasicProperties) -> Option<&FieldTable> {
    let headers = properties.headers().as_ref()?;
    match headers.inner().get("x-death")? {
        AMQPValue::FieldArray(deaths) => match deaths.as_slice().first()? {
            AMQPValue::FieldTable(death) => Some(death),
            _ => None,
        },
        _ => None,
    }
}

/// How often the message went back.
fn returns(message: &BasicGetMessage) -> i64 {
    let headers = message.properties.headers().as_ref();
    headers
        .and_then(|headers| number(headers, RETURNS))
        .unwrap_or(0)
}

/// The properties of a copy: those of the message, without the count of returns. `x-death` stays, so that
/// an operator sees how often the message was parked.
fn copied(properties: &BasicProperties) -> BasicProperties {
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    let mut kept = FieldTable::default();
    for (name, value) in headers.filter(|(name, _)| name.as_str() != RETURNS) {
        kept.insert(name.clone(), value.clone());
    }
    properties.clone().with_headers(kept)
}

fn text(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    }
}

fn number(table: &FieldTable, name: &str) -> Option<i64> {
    match table.inner().get(name)? {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::Timestamp(seconds) => i64::try_from(*seconds).ok(),
        _ => None,
    }
}

fn count(messages: &[BasicGetMessage]) -> u64 {
    u64::try_from(messages.len()).unwrap_or(u64::MAX)
}
