//! Messages in, and how they end.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::broker::{DELIVERY_LIMIT, Queue};
use tokio::time::timeout;

use super::Bench;
use crate::messages::{A_WHILE, depth, next, nothing, row, submit, submits, take};

pub async fn a_consumer_holds_no_more_than_its_prefetch(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..5)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 3).await.unwrap();
    let first = next(&mut consumer).await;
    let _second = next(&mut consumer).await;
    let _third = next(&mut consumer).await;
    nothing(&mut consumer).await;
    // The other two are there for others.
    depth(&*broker, ".submit", 2).await;
    first.ack();
    let _fourth = next(&mut consumer).await;
    nothing(&mut consumer).await;
}

pub async fn a_slow_message_does_not_hold_back_the_others(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..100)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 4).await.unwrap();
    let slow = next(&mut consumer).await;
    assert_eq!(take(&mut consumer, 99).await, (1..100).collect());
    slow.ack();
    broker.close().await;

    let again = bench.connect().await;
    depth(&*again, ".submit", 0).await;
}

pub async fn an_acknowledged_message_is_gone(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..10)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 20).await.unwrap();
    take(&mut consumer, 10).await;
    broker.close().await;

    let again = bench.connect().await;
    let mut consumer = again.consume(Queue::Submit, 20).await.unwrap();
    nothing(&mut consumer).await;
}

pub async fn a_requeued_message_is_delivered_again(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    broker.publish(&submits([7])).await.unwrap();
    let first = next(&mut consumer).await;
    assert!(!first.redelivered);
    first.requeue();
    let second = next(&mut consumer).await;
    assert_eq!(second.message, submit(7));
    assert!(second.redelivered);
    second.ack();
    nothing(&mut consumer).await;
}

pub async fn a_message_that_is_dropped_is_requeued(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    broker.publish(&submits([7])).await.unwrap();
    drop(next(&mut consumer).await);
    let second = next(&mut consumer).await;
    assert!(second.redelivered);
    second.ack();
    nothing(&mut consumer).await;
}

pub async fn a_message_that_comes_back_too_often_is_parked(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    broker.publish(&submits([7])).await.unwrap();
    for delivery in 0..=DELIVERY_LIMIT {
        let again = next(&mut consumer).await;
        assert_eq!(again.redelivered, delivery > 0);
        again.requeue();
    }
    nothing(&mut consumer).await;
    depth(&*broker, ".parking", 1).await;
    depth(&*broker, ".submit", 0).await;
}

pub async fn a_parked_message_waits_for_an_operator(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    broker.publish(&submits([1, 2, 3])).await.unwrap();
    next(&mut consumer).await.ack();
    next(&mut consumer).await.park();
    next(&mut consumer).await.ack();
    nothing(&mut consumer).await;
    depth(&*broker, ".parking", 1).await;
}

pub async fn a_dropped_next_has_taken_no_message(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    // Asked, and given up, with nothing there.
    for _ in 0..10 {
        let come = timeout(Duration::from_millis(1), consumer.next()).await;
        assert!(come.is_err(), "came: {come:?}");
    }
    let publisher = broker.clone();
    let publishing = tokio::spawn(async move {
        for row in 0..100 {
            publisher.publish(&submits([row])).await.unwrap();
        }
    });
    let mut rows = BTreeSet::new();
    while rows.len() < 100 {
        // Dropped after one look at it, mostly.
        match timeout(Duration::ZERO, consumer.next()).await {
            Ok(delivery) => {
                let delivery = delivery.expect("the consumer should go on");
                assert!(!delivery.redelivered);
                rows.insert(row(&delivery.message));
                delivery.ack();
            }
            Err(_) => tokio::time::sleep(Duration::from_micros(100)).await,
        }
    }
    publishing.await.unwrap();
    nothing(&mut consumer).await;
}

pub async fn two_consumers_share_a_queue(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let other = bench.connect().await;
    let mut consumers = [
        broker.consume(Queue::Submit, 10).await.unwrap(),
        broker.consume(Queue::Submit, 10).await.unwrap(),
        other.consume(Queue::Submit, 10).await.unwrap(),
    ];
    broker.publish(&submits(0..60)).await.unwrap();
    let mut all = Vec::new();
    while all.len() < 60 {
        for consumer in &mut consumers {
            if let Ok(delivery) = timeout(A_WHILE, consumer.next()).await {
                let delivery = delivery.expect("the consumer should go on");
                all.push(row(&delivery.message));
                delivery.ack();
            }
        }
    }
    all.sort_unstable();
    assert_eq!(all, (0..60).collect::<Vec<_>>());
    for consumer in &mut consumers {
        nothing(consumer).await;
    }
}
