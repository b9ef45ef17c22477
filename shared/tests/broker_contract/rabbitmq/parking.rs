//! The parking queue, as an operator looks at it and puts back what is in it.

use std::time::{SystemTime, UNIX_EPOCH};

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use shared::broker::parking::Requeued;
use shared::broker::rabbitmq::Parking;
use shared::broker::{Broker, BrokerError, Consumer, Queue};

use super::Topology;
use super::wire::publish;
use crate::contract::Bench as _;
use crate::messages::{acknowledge, depth, ended, next, nothing, now, poll, submit, submits, take};

/// Parks the submits `rows`, as a worker that refuses them does.
async fn park(broker: &dyn Broker, rows: impl IntoIterator<Item = i64> + Clone) {
    let many = rows.clone().into_iter().count();
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    for submit in submits(rows) {
        broker.publish(&[submit]).await.unwrap();
        next(&mut consumer).await.park();
    }
    end(consumer).await;
    depth(broker, ".parking", u64::try_from(many).unwrap()).await;
}

/// Stops a consumer that has nothing more to tell.
async fn end(mut consumer: Box<dyn Consumer>) {
    consumer.stop().await;
    ended(&mut consumer).await;
}

async fn bodies(parking: &Parking, most: u64) -> Vec<String> {
    let page = parking.page(most).await.unwrap();
    page.messages.into_iter().map(|one| one.body).collect()
}

fn requeued(requeued: u64) -> Requeued {
    Requeued {
        requeued,
        ..Requeued::default()
    }
}

#[tokio::test]
async fn a_page_tells_of_each_message_and_changes_nothing() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    park(&*broker, [1, 2, 3]).await;
    let parking = topology.parking().await;
    let page = parking.page(2).await.unwrap();
    assert_eq!((page.parked, page.messages.len()), (3, 2));
    let first = &page.messages[0];
    assert_eq!(first.body, r#"{"v":1,"submit":{"id":1,"turn":4}}"#);
    assert_eq!(first.queue, Some(Queue::Submit));
    assert_eq!(first.reason.as_deref(), Some("rejected"));
    assert_eq!((first.times, &first.problem), (1, &None));
    #[allow(
        clippy::disallowed_methods,
        reason = "the broker asks the machine, too"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = i64::try_from(now.as_secs()).unwrap() - first.at.expect("it has a time");
    assert!((-5..60).contains(&age), "{age} s ago");
    depth(&*broker, ".parking", 3).await;
    let again = parking.page(100).await.unwrap();
    assert_eq!(&again.messages[..2], &page.messages[..]);
    parking.close().await;
}

#[tokio::test]
async fn a_message_stays_however_often_it_is_read() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    park(&*broker, [1, 2]).await;
    let parking = topology.parking().await;
    let seen = bodies(&parking, 10).await;
    for _ in 0..30 {
        depth(&*broker, ".parking", 2).await;
        assert_eq!(bodies(&parking, 10).await, seen);
    }
    depth(&*broker, ".parking", 2).await;
    let first = parking.page(1).await.unwrap().messages.remove(0);
    assert_eq!((first.queue, first.times), (Some(Queue::Submit), 1));
    parking.close().await;
    depth(&*broker, ".parking", 2).await;
}

#[tokio::test]
async fn a_message_that_came_back_too_often_says_so() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    broker.publish(&[now(poll(7))]).await.unwrap();
    let mut consumer = broker.consume(Queue::Poll, 10).await.unwrap();
    for _ in 0..=shared::broker::DELIVERY_LIMIT {
        next(&mut consumer).await.requeue();
    }
    depth(&*broker, ".parking", 1).await;
    let page = topology.parking().await.page(1).await.unwrap();
    assert_eq!(page.messages[0].reason.as_deref(), Some("delivery_limit"));
    assert_eq!(page.messages[0].queue, Some(Queue::Poll));
}

#[tokio::test]
async fn messages_go_back_to_where_they_came_from_the_oldest_first() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    park(&*broker, 1..=250).await;
    let mut polls = broker.consume(Queue::Poll, 10).await.unwrap();
    broker.publish(&[now(poll(900))]).await.unwrap();
    next(&mut polls).await.park();
    depth(&*broker, ".parking", 251).await;

    let parking = topology.parking().await;
    let first_two = bodies(&parking, 2).await;
    assert!(first_two[0].contains(":1,") && first_two[1].contains(":2,"));
    depth(&*broker, ".parking", 251).await;
    let done = parking.requeue(2).await.unwrap();
    let expected = Requeued {
        left: 249,
        ..requeued(2)
    };
    assert_eq!(done, expected);
    let mut submits = broker.consume(Queue::Submit, 300).await.unwrap();
    assert_eq!(take(&mut submits, 2).await, [1, 2].into());
    nothing(&mut submits).await;

    assert_eq!(parking.requeue(u64::MAX).await.unwrap(), requeued(249));
    assert_eq!(take(&mut submits, 248).await, (3..=250).collect());
    acknowledge(&mut polls, 900).await;
    parking.close().await;
    depth(&*broker, ".parking", 0).await;
}

#[tokio::test]
async fn what_is_parked_again_tells_how_often_and_does_not_go_round() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    let _consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    let channel = topology.channel().await;
    let work = topology.name("work");
    publish(&channel, &work, "submit", b"no JSON", "").await;
    depth(&*broker, ".parking", 1).await;
    let parking = topology.parking().await;
    // All that is parked now: what comes back meanwhile is left alone.
    assert_eq!(parking.requeue(u64::MAX).await.unwrap().requeued, 1);
    depth(&*broker, ".parking", 1).await;
    let page = parking.page(1).await.unwrap();
    assert_eq!((page.messages[0].times, page.parked), (2, 1));
    let problem = page.messages[0].problem.as_deref().unwrap_or_default();
    assert!(problem.contains("does not read"), "{problem}");
}

#[tokio::test]
async fn a_message_without_a_known_queue_stays_or_is_deleted() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    let channel = topology.channel().await;
    let dead = topology.name("dead");
    publish(&channel, &dead, "", b"a letter to my aunt", "").await;
    let by_hand = submit(5).to_json();
    publish(&channel, &dead, "", &by_hand, "").await;
    let parking = topology.parking().await;
    let done = parking.requeue(10).await.unwrap();
    let expected = Requeued {
        requeued: 1,
        unknown: 1,
        left: 1,
    };
    assert_eq!(done, expected);
    depth(&*broker, ".submit", 1).await;
    depth(&*broker, ".parking", 1).await;
    let dropped = parking.delete(10).await.unwrap();
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].body, "a letter to my aunt");
    assert_eq!((dropped[0].queue, dropped[0].at), (None, None));
    parking.close().await;
    depth(&*broker, ".parking", 0).await;
}

#[tokio::test]
async fn what_cannot_be_put_back_stays_parked() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    park(&*broker, [1, 2]).await;
    broker.close().await;
    // Somebody deleted the queue, and no program of ours is there to make it again.
    topology.delete_queue("submit").await;
    let parking = topology.parking().await;
    let error = parking.requeue(10).await.unwrap_err();
    assert!(matches!(error, BrokerError::NotTaken(_)), "{error}");
    parking.close().await;
    let broker = topology.connect().await;
    depth(&*broker, ".parking", 2).await;
}

#[tokio::test]
async fn without_a_parking_queue_it_says_so_and_makes_none() {
    let topology = Topology::new();
    let refused = Parking::open(topology.options(&topology.url)).await;
    let Err(BrokerError::Refused(why)) = refused else {
        panic!("it found a queue");
    };
    assert!(why.contains("QUEUE_PREFIX"), "{why}");
    let channel = topology.channel().await;
    let parking = topology.name("parking");
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = channel.queue_declare(parking.as_str().into(), passive, FieldTable::default());
    assert!(found.await.is_err(), "there is a queue now");
    topology.connect().await;
}
