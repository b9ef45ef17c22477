//! The broker alone: lapin moves messages from one quorum queue to another. A message is received, published
//! with a confirm, and acknowledged together with others.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::time::Instant;

/// How many messages are published before their confirms are awaited; they are acknowledged together.
const AT_ONCE: usize = 100;
/// The same as a worker's.
const PREFETCH: u16 = 300;
const PERSISTENT: u8 = 2;

/// Moves the messages; returns how long that took.
pub async fn move_messages(url: &str, messages: &[Vec<u8>]) -> Duration {
    moved(url, messages).await.expect("RabbitMQ moves messages")
}

async fn moved(url: &str, messages: &[Vec<u8>]) -> lapin::Result<Duration> {
    let connect = || Connection::connect(url, ConnectionProperties::default());
    let (publishing, consuming) = (connect().await?, connect().await?);
    let out = publishing.create_channel().await?;
    out.confirm_select(ConfirmSelectOptions::default()).await?;
    for queue in ["bench.from", "bench.to"] {
        declare(&out, queue).await?;
    }
    for chunk in messages.chunks(AT_ONCE) {
        publish(&out, "bench.from", chunk).await?;
    }
    let inward = consuming.create_channel().await?;
    inward
        .basic_qos(PREFETCH, BasicQosOptions { global: false })
        .await?;
    let started = Instant::now();
    let mut deliveries = inward
        .basic_consume(
            "bench.from".into(),
            "bench".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut left = messages.len();
    while left > 0 {
        let mut batch = Vec::new();
        let mut last = 0;
        while batch.len() < AT_ONCE.min(left) {
            let Some(delivery) = deliveries.next().await else {
                return Ok(started.elapsed());
            };
            let delivery = delivery?;
            last = delivery.delivery_tag;
            batch.push(delivery.data);
        }
        left -= batch.len();
        publish(&out, "bench.to", &batch).await?;
        inward
            .basic_ack(last, BasicAckOptions { multiple: true })
            .await?;
    }
    let took = started.elapsed();
    for queue in ["bench.from", "bench.to"] {
        out.queue_delete(queue.into(), QueueDeleteOptions::default())
            .await?;
    }
    consuming.close(200, "done".into()).await?;
    publishing.close(200, "done".into()).await?;
    Ok(took)
}

async fn declare(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    let quorum = AMQPValue::LongString("quorum".into());
    arguments.insert("x-queue-type".into(), quorum);
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), durable, arguments)
        .await?;
    Ok(())
}

async fn publish(channel: &Channel, queue: &str, messages: &[Vec<u8>]) -> lapin::Result<()> {
    let sent = messages.iter().map(|message| async {
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        channel
            .basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                message,
                properties,
            )
            .await
    });
    try_join_all(try_join_all(sent).await?).await?;
    Ok(())
}
