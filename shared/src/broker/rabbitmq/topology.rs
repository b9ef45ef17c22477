//! Declares the exchanges and queues (`docs/rabbitmq.md` says why they are so).

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};

use super::channel::{self, ANSWER};
use super::error::within;
use super::names::Names;
use crate::broker::{BrokerError, DELIVERY_LIMIT, Depth, Queue, Result};
use crate::task::wait::Rung;

/// The most messages in the parking queue; beyond that the oldest are dropped. Their tasks are not lost:
/// the database knows them.
const MOST_PARKED: i64 = 100_000;

/// Declares what is missing, each target before the queues that dead-letter into it; returns the depth of
/// each queue.
pub(super) async fn declare(connection: &Connection, names: &Names) -> Result<Vec<Depth>> {
    let channel = channel::open(connection).await?;
    let declaring = Declaring { channel, names };

    let (direct, fanout) = (ExchangeKind::Direct, ExchangeKind::Fanout);
    declaring.exchange(&names.work(), direct).await?;
    declaring.exchange(&names.dead(), fanout.clone()).await?;
    for rung in Rung::LADDER {
        let name = names.delay(rung);
        declaring.exchange(&name, fanout.clone()).await?;
    }

    let parking = names.parking();
    let mut depths = vec![declaring.queue(&parking, parking_arguments()).await?];
    declaring.bind(&parking, &names.dead(), "").await?;
    for queue in [Queue::Submit, Queue::Poll] {
        let name = names.queue(queue);
        depths.push(declaring.queue(&name, work_arguments(names)).await?);
        declaring.bind(&name, &names.work(), queue.as_str()).await?;
    }
    for rung in Rung::LADDER {
        let name = names.delay(rung);
        let arguments = waiting_arguments(names, rung);
        depths.push(declaring.queue(&name, arguments).await?);
        declaring.bind(&name, &name, "").await?;
    }
    channel::close(&declaring.channel).await;
    Ok(depths)
}

/// How many messages are ready in each queue.
pub(super) async fn depths(connection: &Connection, names: &Names) -> Result<Vec<Depth>> {
    let channel = channel::open(connection).await?;
    let mut depths = Vec::new();
    for queue in names.queues() {
        let doing = format!("asking for queue {queue}");
        let messages = channel::depth(&channel, &queue, &doing).await?;
        depths.push(Depth { queue, messages });
    }
    channel::close(&channel).await;
    Ok(depths)
}

struct Declaring<'a> {
    channel: Channel,
    names: &'a Names,
}

impl Declaring<'_> {
    async fn exchange(&self, name: &str, kind: ExchangeKind) -> Result<()> {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declared =
            self.channel
                .exchange_declare(name.into(), kind, options, FieldTable::default());
        self.answered(&format!("declaring exchange {name}"), declared)
            .await
    }

    async fn queue(&self, name: &str, arguments: FieldTable) -> Result<Depth> {
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self.channel.queue_declare(name.into(), options, arguments);
        let queue = self
            .answered(&format!("declaring queue {name}"), declared)
            .await?;
        Ok(Depth {
            queue: name.to_owned(),
            messages: u64::from(queue.message_count()),
        })
    }

    async fn bind(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<()> {
        let bound = self.channel.queue_bind(
            queue.into(),
            exchange.into(),
            routing_key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        self.answered(&format!("binding queue {queue} to {exchange}"), bound)
            .await
    }

    async fn answered<T>(
        &self,
        doing: &str,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T> {
        within(ANSWER, doing, asked)
            .await
            .map_err(|error| match error {
                BrokerError::Refused(why) if why.contains("PRECONDITION_FAILED") => {
                    BrokerError::Refused(format!(
                        "{why}. It exists already, made otherwise than we need it: delete it (its \
                         messages only wake tasks, the sweep makes them again), or choose another \
                         QUEUE_PREFIX than the one of {}",
                        self.names.work()
                    ))
                }
                other => other,
            })
    }
}

/// Arguments for dead-lettering at least once: a message stays until its target confirmed it. Without
/// `reject-publish` the broker falls back to at most once, without a word.
fn dead_letter_to(exchange: String) -> [(&'static str, AMQPValue); 4] {
    [
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text(exchange)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

fn work_arguments(names: &Names) -> FieldTable {
    let limit = ("x-delivery-limit", number(i64::from(DELIVERY_LIMIT)));
    table(dead_letter_to(names.dead()).into_iter().chain([limit]))
}

fn waiting_arguments(names: &Names, rung: Rung) -> FieldTable {
    let millis = i64::try_from(rung.duration().as_millis()).unwrap_or(i64::MAX);
    let wait = ("x-message-ttl", number(millis));
    table(dead_letter_to(names.work()).into_iter().chain([wait]))
}

fn parking_arguments() -> FieldTable {
    table([
        ("x-queue-type", text("quorum")),
        ("x-max-length", number(MOST_PARKED)),
        ("x-overflow", text("drop-head")),
    ])
}

fn table(entries: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}

fn text(text: impl Into<String>) -> AMQPValue {
    AMQPValue::LongString(text.into().into())
}

fn number(number: i64) -> AMQPValue {
    AMQPValue::LongLongInt(number)
}
