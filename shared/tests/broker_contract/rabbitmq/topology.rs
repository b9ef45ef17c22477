//! Queues that are deleted or emptied under us.

use lapin::options::{
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use shared::broker::{BrokerError, Queue};
use tokio::time::timeout;

use super::Topology;
use crate::contract::Bench as _;
use crate::messages::{
    SOON, acknowledge, after, depth, now, poll, publish_until_taken, row, submit,
};

#[tokio::test]
async fn a_queue_that_is_deleted_under_its_consumer_is_declared_again() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    for round in 0..2 {
        topology.delete_queue("submit").await;
        publish_until_taken(&broker, now(submit(round))).await;
        acknowledge(&mut consumer, round).await;
    }
}

#[tokio::test]
async fn a_consumer_that_the_broker_forgot_in_silence_starts_again() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    let channel = topology.channel().await;
    let queue = topology.name("submit");
    let mut arguments = FieldTable::default();
    for (key, value) in [
        ("x-queue-type", "quorum"),
        ("x-dead-letter-exchange", &topology.name("dead")),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(20));
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    // Declared again so soon that the broker does not tell the consumer.
    let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    deleted.await.unwrap();
    let declared = channel.queue_declare(queue.as_str().into(), durable, arguments);
    declared.await.unwrap();
    let bound = channel.queue_bind(
        queue.as_str().into(),
        topology.name("work").into(),
        "submit".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();

    publish_until_taken(&broker, now(submit(1))).await;
    let delivery = timeout(2 * SOON, consumer.next()).await;
    let delivery = delivery.expect("a message").expect("a consumer");
    assert_eq!(row(&delivery.message), 1);
    delivery.ack();
}

#[tokio::test]
async fn a_message_that_no_queue_takes_is_reported_and_the_queue_is_declared_again() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    topology.delete_queue("delay.300s").await;
    // One of three: the batch was not taken.
    let batch = [now(poll(1)), after(300, poll(2)), now(poll(3))];
    let error = broker.publish(&batch).await.unwrap_err();
    assert!(matches!(error, BrokerError::NotTaken(_)), "{error}");
    let queue = topology.name("delay.300s");
    assert!(error.to_string().contains(&queue), "{error}");
    publish_until_taken(&broker, after(300, poll(4))).await;
    depth(&*broker, ".delay.300s", 1).await;
}

#[tokio::test]
async fn an_exchange_that_is_deleted_is_declared_again() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    let channel = topology.channel().await;
    let exchange = topology.name("work").into();
    let deleted = channel.exchange_delete(exchange, ExchangeDeleteOptions::default());
    deleted.await.unwrap();
    let error = broker.publish(&[now(poll(1))]).await.unwrap_err();
    assert!(matches!(error, BrokerError::NotTaken(_)), "{error}");
    publish_until_taken(&broker, now(poll(2))).await;
}

#[tokio::test]
async fn a_purge_stops_nobody() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    broker.publish(&[now(submit(1))]).await.unwrap();
    let channel = topology.channel().await;
    let queue = topology.name("submit").into();
    let purged = channel.queue_purge(queue, QueuePurgeOptions::default());
    purged.await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    broker.publish(&[now(submit(2))]).await.unwrap();
    acknowledge(&mut consumer, 2).await;
}
