//! Queues that are deleted or emptied under us.

use std::time::Duration;

use lapin::options::{
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use shared::broker::{BrokerError, Queue, SharedBroker};
use tokio::time::{sleep, timeout};

use super::on_a_topology;
use crate::contract::Bench as _;
use crate::messages::{SOON, after, depth, next, now, poll, row, submit};

async fn publish_until_taken(broker: &SharedBroker, message: shared::broker::Outgoing) {
    let taken = timeout(SOON, async {
        while broker
            .publish(std::slice::from_ref(&message))
            .await
            .is_err()
        {
            sleep(Duration::from_millis(50)).await;
        }
    });
    taken.await.expect("the queue should be back");
}

#[tokio::test]
async fn a_queue_that_is_deleted_under_its_consumer_is_declared_again() {
    on_a_topology(async |topology| {
        let broker = topology.connect().await;
        let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
        for round in 0..2 {
            let channel = topology.channel().await;
            let queue = topology.name("submit");
            channel
                .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
                .await
                .unwrap();
            publish_until_taken(&broker, now(submit(round))).await;
            let delivery = next(&mut consumer).await;
            assert_eq!(row(&delivery.message), round);
            delivery.ack();
        }
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_the_broker_forgot_in_silence_starts_again() {
    on_a_topology(async |topology| {
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
        // Declared again so soon that the broker does not tell the consumer.
        channel
            .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
            .await
            .unwrap();
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.as_str().into(), durable, arguments)
            .await
            .unwrap();
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
    })
    .await;
}

#[tokio::test]
async fn a_message_that_no_queue_takes_is_said_and_the_queue_is_declared_again() {
    on_a_topology(async |topology| {
        let broker = topology.connect().await;
        let channel = topology.channel().await;
        let queue = topology.name("delay.300s");
        channel
            .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
            .await
            .unwrap();
        // One of three: the batch was not taken.
        let batch = [now(poll(1)), after(300, poll(2)), now(poll(3))];
        let error = broker.publish(&batch).await.unwrap_err();
        assert!(matches!(error, BrokerError::NotTaken(_)), "{error}");
        assert!(error.to_string().contains(&queue), "{error}");
        publish_until_taken(&broker, after(300, poll(4))).await;
        depth(&*broker, ".delay.300s", 1).await;
    })
    .await;
}

#[tokio::test]
async fn an_exchange_that_is_deleted_is_declared_again() {
    on_a_topology(async |topology| {
        let broker = topology.connect().await;
        let channel = topology.channel().await;
        let exchange = topology.name("work");
        channel
            .exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default())
            .await
            .unwrap();
        let error = broker.publish(&[now(poll(1))]).await.unwrap_err();
        assert!(matches!(error, BrokerError::NotTaken(_)), "{error}");
        publish_until_taken(&broker, now(poll(2))).await;
    })
    .await;
}

#[tokio::test]
async fn a_purge_stops_nobody() {
    on_a_topology(async |topology| {
        let broker = topology.connect().await;
        broker.publish(&[now(submit(1))]).await.unwrap();
        let channel = topology.channel().await;
        let queue = topology.name("submit");
        channel
            .queue_purge(queue.as_str().into(), QueuePurgeOptions::default())
            .await
            .unwrap();
        let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
        broker.publish(&[now(submit(2))]).await.unwrap();
        let delivery = next(&mut consumer).await;
        assert_eq!(row(&delivery.message), 2);
        delivery.ack();
    })
    .await;
}
