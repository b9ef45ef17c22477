//! Connections that are lost: whoever publishes knows it at once, whoever consumes goes on.

use std::time::Duration;

use harness::wait::eventually;
use shared::broker::{BrokerError, Consumer, Queue};
use tokio::time::{Instant, sleep, timeout};

use super::Topology;
use crate::messages::{SOON, next, nothing, now, publish_until_taken, row, submit, submits};

/// Acknowledges until `expected` comes.
async fn take_until(consumer: &mut Box<dyn Consumer>, expected: i64) {
    loop {
        let delivery = next(consumer).await;
        let found = row(&delivery.message) == expected;
        delivery.ack();
        if found {
            return;
        }
    }
}

#[tokio::test]
async fn after_a_lost_connection_publishing_and_consuming_go_on() {
    let topology = Topology::new();
    let (broker, proxy) = topology.behind_a_proxy().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    for loss in 0..3 {
        proxy.cut();
        sleep(Duration::from_millis(100)).await;
        proxy.mend();
        publish_until_taken(&broker, now(submit(loss))).await;
        take_until(&mut consumer, loss).await;
    }
    eventually(SOON, "an answer", async || broker.ping().await.ok()).await;
}

#[tokio::test]
async fn deliveries_of_a_lost_connection_come_again_and_their_old_receipts_do_nothing() {
    let topology = Topology::new();
    let (broker, proxy) = topology.behind_a_proxy().await;
    let mut consumer = broker.consume(Queue::Submit, 4).await.unwrap();
    broker.publish(&submits(0..6)).await.unwrap();
    let old = [next(&mut consumer).await, next(&mut consumer).await];
    proxy.cut();
    sleep(Duration::from_millis(300)).await; // two more had been sent, and are stale now
    proxy.mend();

    let mut rows = Vec::new();
    let first = next(&mut consumer).await;
    // The tags of the old ones are tags of the new channel, too.
    for delivery in old {
        delivery.park();
    }
    sleep(Duration::from_millis(100)).await;
    rows.push(row(&first.message));
    first.ack();
    for _ in 1..6 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.redelivered, row(&delivery.message) < 4);
        rows.push(row(&delivery.message));
        delivery.ack();
    }
    rows.sort_unstable();
    assert_eq!(rows, (0..6).collect::<Vec<_>>());
    nothing(&mut consumer).await;
    let depths = broker.depths().await.unwrap();
    assert!(depths.iter().all(|depth| depth.messages == 0), "{depths:?}");
}

#[tokio::test]
async fn while_the_broker_is_away_publishing_fails_fast() {
    let topology = Topology::new();
    let (broker, proxy) = topology.behind_a_proxy().await;
    let _consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    proxy.cut();
    sleep(Duration::from_millis(200)).await;
    let since = Instant::now();
    let error = broker.publish(&submits([1])).await.unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable(_)), "{error}");
    assert!(broker.ping().await.is_err());
    assert!(broker.depths().await.is_err());
    assert!(since.elapsed() < Duration::from_millis(500));
    // And it can be closed.
    timeout(SOON, broker.close()).await.unwrap();
}

#[tokio::test]
async fn a_silent_broker_delays_callers_by_seconds_at_most() {
    let topology = Topology::new();
    let (broker, proxy) = topology.behind_a_proxy().await;
    proxy.black_hole();
    let since = Instant::now();
    let batch = [now(submit(1))];
    let (published, pinged) = tokio::join!(broker.publish(&batch), broker.ping());
    assert!(matches!(published, Err(BrokerError::Unreachable(_))));
    assert!(matches!(pinged, Err(BrokerError::Unreachable(_))));
    assert!(since.elapsed() < Duration::from_secs(7));
    proxy.mend();
    publish_until_taken(&broker, now(submit(2))).await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    take_until(&mut consumer, 2).await;
}

#[tokio::test]
async fn a_stop_while_the_broker_is_away_ends_the_consumer() {
    let topology = Topology::new();
    let (broker, proxy) = topology.behind_a_proxy().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    proxy.cut();
    sleep(Duration::from_millis(200)).await;
    let stopped = timeout(Duration::from_secs(2), consumer.stop());
    stopped.await.unwrap();
    assert!(consumer.next().await.is_none());
}
