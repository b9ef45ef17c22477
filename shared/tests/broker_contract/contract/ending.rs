//! Consumers that stop, and Brokers that close.

use std::collections::BTreeSet;

use shared::broker::{BrokerError, Queue};
use tokio::time::timeout;

use super::Bench;
use crate::messages::{A_WHILE, SOON, ended, next, nothing, row, submit, submits, take};

pub async fn a_stopped_consumer_takes_nothing_new_and_ends_what_it_has(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..5)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 3).await.unwrap();
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    consumer.stop().await;
    ended(&mut consumer).await;

    // What it had been sent beyond the two goes to another.
    let mut other = broker.consume(Queue::Submit, 10).await.unwrap();
    assert_eq!(take(&mut other, 3).await, (2..5).collect());
    nothing(&mut other).await;
    first.ack();
    second.requeue();
    let again = next(&mut other).await;
    assert_eq!(again.message, submit(1));
    assert!(again.redelivered);
    again.ack();
    nothing(&mut other).await;
}

pub async fn a_consumer_that_is_dropped_gives_back_what_nobody_took(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..5)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    let first = next(&mut consumer).await;
    drop(consumer);
    let mut other = broker.consume(Queue::Submit, 10).await.unwrap();
    assert_eq!(take(&mut other, 4).await, (1..5).collect());
    first.ack();
    nothing(&mut other).await;
}

pub async fn close_ends_consumers_and_gives_back_what_they_hold(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..3)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 2).await.unwrap();
    let first = next(&mut consumer).await;
    let _second = next(&mut consumer).await;
    let mut waiting = broker.consume(Queue::Poll, 2).await.unwrap();
    let waits = tokio::spawn(async move { waiting.next().await.is_none() });
    tokio::time::sleep(A_WHILE / 4).await;

    timeout(SOON, broker.close()).await.unwrap();
    ended(&mut consumer).await;
    assert!(waits.await.unwrap(), "a next under way should end");
    first.ack(); // too late: it went back

    let again = bench.connect().await;
    let mut consumer = again.consume(Queue::Submit, 10).await.unwrap();
    let mut redelivered = BTreeSet::new();
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        if delivery.redelivered {
            redelivered.insert(row(&delivery.message));
        }
        delivery.ack();
    }
    assert_eq!(redelivered, [0, 1].into());
    nothing(&mut consumer).await;
}

pub async fn close_sends_the_acknowledgements_first(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&submits(0..50)).await.unwrap();
    let mut consumer = broker.consume(Queue::Submit, 100).await.unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..50 {
        deliveries.push(next(&mut consumer).await);
    }
    let unended = deliveries.pop();
    for delivery in deliveries {
        delivery.ack();
    }
    broker.close().await;

    let again = bench.connect().await;
    let mut consumer = again.consume(Queue::Submit, 100).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, [49].into());
    nothing(&mut consumer).await;
    drop(unended);
}

pub async fn a_closed_broker_does_nothing_more(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.close().await;
    broker.close().await;
    let closed = |error: Option<BrokerError>| matches!(error, Some(BrokerError::Closed));
    assert!(closed(broker.publish(&submits([1])).await.err()));
    assert!(closed(broker.publish(&[]).await.err()));
    assert!(closed(broker.ping().await.err()));
    assert!(closed(broker.depths().await.err()));
    assert!(closed(broker.consume(Queue::Poll, 1).await.err()));
}
