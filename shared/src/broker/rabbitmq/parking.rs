//! `<prefix>.parking`, for an operator: looked at, put back, dropped.
//!
//! A connection of its own that declares nothing: a wrong `QUEUE_PREFIX` finds no queue, and makes
//! none. What is held while somebody looks goes back when its channel closes, whether we close it or
//! die: to the head of the queue, in its order. Rejected to be requeued it would go to the tail, as
//! long as the queue has no delivery limit (tried on 3.10).

use futures_util::future::try_join_all;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use std::time::Duration;

use super::connection::Connector;
use super::error::{broker_error, within};
use super::names::{Names, Process, Role};
use super::proof::is_probe;
use super::{RabbitMqOptions, topology};
use crate::broker::parking::{Look, Parked, PutBack};
use crate::broker::{BrokerError, Result};

/// The longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How many messages are put back, or dropped, at once. A broker's channel passes 32 acknowledgements
/// on to a quorum queue and keeps those beyond until these are written; what it still keeps when it
/// closes is lost, and the messages come back (tried on 3.10).
const AT_ONCE: usize = 25;

/// A message that was given back so often is published anew when it was looked at: a broker may
/// count that, and from 4.0 on it drops what came back 20 times.
const RENEW_AT: i64 = 10;

/// Where the broker says how often a message was given back.
const RETURNS: &str = "x-delivery-count";

/// The queue of messages that no worker can handle.
pub struct Parking {
    connection: Connection,
    names: Names,
}

impl Parking {
    /// Connects, and makes sure that there is a parking queue.
    pub async fn open(options: RabbitMqOptions) -> Result<Self> {
        let connector = Connector::new(&options.url, Process::this(options.program))?;
        let parking = Self {
            connection: connector.open(Role::Publish).await?,
            names: Names::new(options.prefix),
        };
        let hands = parking.hands().await?;
        hands.depth().await?;
        hands.let_go().await;
        Ok(parking)
    }

    /// The oldest messages, at most `most`. They stay where they are.
    pub async fn look(&self, most: u64) -> Result<Look> {
        let hands = self.hands().await?;
        let parked = hands.depth().await?;
        let held = hands.take(most).await?;
        let messages = held.iter().map(read).collect();
        hands.renew(held).await?;
        hands.let_go().await;
        Ok(Look { parked, messages })
    }

    /// Puts the oldest messages, at most `most` of those that are there now, back into the queues
    /// that they came from. Each is confirmed there before it goes from here: whoever dies on the
    /// way may have doubled some, and a doubled message does nothing.
    pub async fn put_back(&self, most: u64) -> Result<PutBack> {
        let hands = self.hands().await?;
        let parked = hands.depth().await?;
        let mut done = PutBack::default();
        let mut unknown = Vec::new();
        let mut left = most.min(parked);
        while left > 0 {
            let held = hands.take(left.min(AT_ONCE as u64)).await?;
            if held.is_empty() {
                break; // somebody else was here
            }
            left = left.saturating_sub(count(&held));
            let (go, stay): (Vec<_>, Vec<_>) = held
                .into_iter()
                .partition(|message| read(message).queue.is_some());
            hands.to_their_queues(&go).await?;
            done.requeued += count(&go);
            // Held to the end: let go now, they would come again.
            unknown.extend(stay);
        }
        done.unknown = count(&unknown);
        done.left = parked.saturating_sub(done.requeued);
        hands.renew(unknown).await?;
        hands.let_go().await;
        Ok(done)
    }

    /// Drops the oldest messages, at most `most` of those that are there now; returns them.
    pub async fn forget(&self, most: u64) -> Result<Vec<Parked>> {
        let hands = self.hands().await?;
        let mut left = most.min(hands.depth().await?);
        let mut dropped = Vec::new();
        while left > 0 {
            let held = hands.take(left.min(AT_ONCE as u64)).await?;
            if held.is_empty() {
                break;
            }
            left = left.saturating_sub(count(&held));
            acknowledge(&held).await?;
            dropped.extend(held.iter().map(read));
        }
        hands.let_go().await;
        Ok(dropped)
    }

    /// Closes the connection.
    pub async fn close(&self) {
        let closed = self.connection.close(200, "done".into());
        if let Err(error) = within(ANSWER, "closing the connection", closed).await {
            tracing::debug!(%error, "the connection was not closed in order");
        }
    }

    async fn hands(&self) -> Result<Hands<'_>> {
        let channel = within(ANSWER, "opening a channel", async {
            let channel = self.connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        })
        .await?;
        let names = &self.names;
        Ok(Hands { channel, names })
    }
}

/// What holds messages: a channel.
struct Hands<'a> {
    channel: Channel,
    names: &'a Names,
}

impl Hands<'_> {
    /// Sends the acknowledgements; what was not acknowledged goes back.
    async fn let_go(self) {
        topology::close(&self.channel).await;
    }

    async fn depth(&self) -> Result<u64> {
        let queue = self.names.parking();
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let doing = format!(
            "asking for queue {queue} (the first start of an api or a worker makes it; is \
             QUEUE_PREFIX theirs?)"
        );
        let asked =
            self.channel
                .queue_declare(queue.as_str().into(), options, FieldTable::default());
        let there = within(ANSWER, &doing, asked).await?;
        Ok(u64::from(there.message_count()))
    }

    /// Takes messages out, at most `most`; they are ours until they are acknowledged or given back.
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
                // Of a program that starts this very moment; it does not miss it.
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

    /// Publishes anew, to the parking queue, what was given back so often that the next time may be
    /// its last.
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
            // lapin hangs a returned message on some confirm of its channel: which one was not taken
            // is not known, and none of them goes from here.
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
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        self.channel
            .basic_publish(
                exchange.into(),
                key.into(),
                options,
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

/// The message as an operator reads it.
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

/// What the broker wrote down when it moved a message the last time: the first of `x-death`.
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

/// How often a message was given back.
fn returns(message: &BasicGetMessage) -> i64 {
    let headers = message.properties.headers().as_ref();
    headers
        .and_then(|headers| number(headers, RETURNS))
        .unwrap_or(0)
}

/// The properties of a copy: those of the message, without what the broker counts anew. `x-death`
/// stays, so that one can see how often a message was parked.
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
