//! Connections that are lost: whoever publishes knows it at once, whoever consumes goes on.

use std::time::Duration;

use shared::broker::{BrokerError, Consumer, Queue, SharedBroker};
use tokio::time::{Instant, sleep, timeout};

use super::on_a_topology;
use crate::messages::{SOON, next, nothing, now, row, submit, submits};

/// Publishes until it goes through.
async fn publish_somehow(broker: &SharedBroker, row: i64) {
    let through = timeout(SOON, async {
        while broker.publish(&[now(submit(row))]).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    through.await.expect("publishing should go through again");
}

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
async fn after_a_lost_connection_all_goes_on() {
    on_a_topology(async |topology| {
        let (broker, proxy) = topology.behind_a_proxy().await;
        let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
        for loss in 0..3 {
            proxy.cut();
            sleep(Duration::from_millis(100)).await;
            proxy.mend();
            publish_somehow(&broker, loss).await;
            take_until(&mut consumer, loss).await;
        }
        timeout(SOON, async {
            while broker.ping().await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .expect("it should answer again");
    })
    .await;
}

#[tokio::test]
async fn what_was_held_when_the_connection_was_lost_comes_again_and_its_old_verdict_means_nothing()
{
    on_a_topology(async |topology| {
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
    })
    .await;
}

#[tokio::test]
async fn while_the_broker_is_away_publishing_fails_fast() {
    on_a_topology(async |topology| {
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
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_falls_silent_holds_nobody_up_for_longer_than_seconds() {
    on_a_topology(async |topology| {
        let (broker, proxy) = topology.behind_a_proxy().await;
        proxy.black_hole();
        let since = Instant::now();
        let batch = [now(submit(1))];
        let (published, pinged) = tokio::join!(broker.publish(&batch), broker.ping());
        assert!(matches!(published, Err(BrokerError::Unreachable(_))));
        assert!(matches!(pinged, Err(BrokerError::Unreachable(_))));
        assert!(since.elapsed() < Duration::from_secs(7));
        proxy.mend();
        publish_somehow(&broker, 2).await;
        let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
        take_until(&mut consumer, 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_stop_while_the_broker_is_away_ends_the_consumer() {
    on_a_topology(async |topology| {
        let (broker, proxy) = topology.behind_a_proxy().await;
        let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
        proxy.cut();
        sleep(Duration::from_millis(200)).await;
        timeout(Duration::from_secs(2), consumer.stop())
            .await
            .unwrap();
        assert!(consumer.next().await.is_none());
    })
    .await;
}
