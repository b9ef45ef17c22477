//! Messages out.

use std::time::Duration;

use futures_util::future::join_all;
use shared::broker::{Queue, SharedBroker};
use shared::task::wait::Rung;
use tokio::time::Instant;

use super::Bench;
use crate::messages::{acknowledge, after, depth, next, nothing, now, poll, submit, submits, take};

pub async fn a_published_message_arrives_once_and_as_it_was_sent(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut submits = broker.consume(Queue::Submit, 10).await.unwrap();
    let mut polls = broker.consume(Queue::Poll, 10).await.unwrap();
    broker.publish(&[now(submit(17))]).await.unwrap();
    broker.publish(&[now(poll(18))]).await.unwrap();

    let delivery = next(&mut submits).await;
    assert_eq!(delivery.message, submit(17));
    assert!(!delivery.redelivered);
    delivery.ack();
    let delivery = next(&mut polls).await;
    assert_eq!(delivery.message, poll(18));
    delivery.ack();
    nothing(&mut submits).await;
    nothing(&mut polls).await;
}

pub async fn a_batch_goes_each_to_its_queue(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let batch: Vec<_> = (0..300)
        .map(|row| now(if row % 3 == 0 { submit(row) } else { poll(row) }))
        .collect();
    broker.publish(&batch).await.unwrap();
    let mut submits = broker.consume(Queue::Submit, 50).await.unwrap();
    let mut polls = broker.consume(Queue::Poll, 50).await.unwrap();
    let of = |submit: bool| (0..300).filter(|row| (row % 3 == 0) == submit).collect();
    assert_eq!(take(&mut submits, 100).await, of(true));
    assert_eq!(take(&mut polls, 200).await, of(false));
}

pub async fn an_empty_batch_is_no_work(bench: &dyn Bench) {
    let broker = bench.connect().await;
    broker.publish(&[]).await.unwrap();
    depth(&*broker, ".submit", 0).await;
}

pub async fn many_publish_at_once(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let publishers = (0..60).map(|publisher| {
        let broker = broker.clone();
        let batch = submits(publisher * 10..publisher * 10 + 10);
        async move { broker.publish(&batch).await }
    });
    for published in join_all(publishers).await {
        published.unwrap();
    }
    let mut consumer = broker.consume(Queue::Submit, 100).await.unwrap();
    assert_eq!(take(&mut consumer, 600).await, (0..600).collect());
    nothing(&mut consumer).await;
}

pub async fn a_delayed_message_arrives_after_its_delay_where_it_belongs(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut submits = broker.consume(Queue::Submit, 10).await.unwrap();
    let mut polls = broker.consume(Queue::Poll, 10).await.unwrap();
    let since = Instant::now();
    let batch = [after(2, submit(1)), after(2, poll(2)), now(submit(3))];
    broker.publish(&batch).await.unwrap();

    let first = next(&mut submits).await;
    assert_eq!(first.message, submit(3));
    first.ack();
    for (consumer, message) in [(&mut submits, submit(1)), (&mut polls, poll(2))] {
        let delivery = next(consumer).await;
        let waited = since.elapsed();
        assert_eq!(delivery.message, message);
        assert!(!delivery.redelivered);
        assert!(waited >= Duration::from_millis(1990), "{waited:?}");
        assert!(waited < Duration::from_secs(8), "{waited:?}");
        delivery.ack();
    }
}

pub async fn a_short_delay_overtakes_a_long_one(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let mut consumer = broker.consume(Queue::Poll, 10).await.unwrap();
    let batch = [after(5, poll(5)), after(3, poll(3)), after(2, poll(2))];
    broker.publish(&batch).await.unwrap();
    for expected in [2, 3, 5] {
        acknowledge(&mut consumer, expected).await;
    }
}

pub async fn depths_tell_every_queue(bench: &dyn Bench) {
    let broker = bench.connect().await;
    let batch = [
        now(submit(1)),
        now(poll(2)),
        now(poll(3)),
        after(300, poll(4)),
        after(120, submit(5)),
    ];
    broker.publish(&batch).await.unwrap();
    for (queue, messages) in [
        (".submit", 1),
        (".poll", 2),
        (".delay.300s", 1),
        (".delay.120s", 1),
        (".delay.1s", 0),
        (".parking", 0),
    ] {
        depth(&*broker, queue, messages).await;
    }
    // The two queues of work, parking, and one for each delay.
    let queues = 3 + Rung::LADDER.len();
    assert_eq!(broker.depths().await.unwrap().len(), queues);
}

pub async fn a_broker_that_is_there_answers(bench: &dyn Bench) {
    let broker: SharedBroker = bench.connect().await;
    let _consumer = broker.consume(Queue::Submit, 1).await.unwrap();
    broker.ping().await.unwrap();
}
