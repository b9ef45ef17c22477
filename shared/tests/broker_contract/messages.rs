//! What the tests send and look at.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::wait::{eventually, in_time};
use shared::broker::{Broker, Consumer, Delivery, Message, Outgoing, SharedBroker};
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId, RowId, Turn};
use tokio::time::timeout;

/// Longer than anything that should come takes to come.
pub const SOON: Duration = Duration::from_secs(20);

/// Shorter than anything that should not come would take.
pub const A_WHILE: Duration = Duration::from_millis(400);

pub fn submit(row: i64) -> Message {
    Message::Submit(at(row))
}

pub fn poll(row: i64) -> Message {
    Message::Poll {
        channel: ChannelId(3),
        tasks: vec![at(row)],
    }
}

fn at(row: i64) -> AtTurn {
    AtTurn {
        row: RowId(row),
        turn: Turn(4),
    }
}

pub fn now(message: Message) -> Outgoing {
    Outgoing {
        message,
        delay: None,
    }
}

pub fn after(seconds: u64, message: Message) -> Outgoing {
    Outgoing {
        message,
        delay: Some(Rung::at_least(Duration::from_secs(seconds))),
    }
}

/// The submits `rows`, to go at once.
pub fn submits(rows: impl IntoIterator<Item = i64>) -> Vec<Outgoing> {
    rows.into_iter().map(|row| now(submit(row))).collect()
}

pub fn row(message: &Message) -> i64 {
    match message {
        Message::Submit(at) => at.row.0,
        Message::Poll { tasks, .. } => tasks[0].row.0,
    }
}

/// The next delivery, which must come.
pub async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    timeout(SOON, consumer.next())
        .await
        .expect("a message should have come")
        .expect("the consumer should go on")
}

/// Acknowledges the next delivery, which must be of this row.
pub async fn acknowledge(consumer: &mut Box<dyn Consumer>, expected: i64) {
    let delivery = next(consumer).await;
    assert_eq!(row(&delivery.message), expected);
    delivery.ack();
}

/// Publishes a message until the broker takes it.
pub async fn publish_until_taken(broker: &SharedBroker, message: Outgoing) {
    let batch = [message];
    eventually(SOON, "the broker to take a message", async || {
        broker.publish(&batch).await.ok()
    })
    .await;
}

/// That nothing comes.
pub async fn nothing(consumer: &mut Box<dyn Consumer>) {
    let come = timeout(A_WHILE, consumer.next()).await;
    assert!(come.is_err(), "came: {come:?}");
}

/// That the consumer has ended.
pub async fn ended(consumer: &mut Box<dyn Consumer>) {
    let come = timeout(SOON, consumer.next()).await;
    assert!(matches!(come, Ok(None)), "came: {come:?}");
}

/// Receives and acknowledges `many`, and tells their rows.
pub async fn take(consumer: &mut Box<dyn Consumer>, many: usize) -> BTreeSet<i64> {
    let mut rows = BTreeSet::new();
    while rows.len() < many {
        let delivery = next(consumer).await;
        rows.insert(row(&delivery.message));
        delivery.ack();
    }
    rows
}

/// Waits until the queue whose name ends with `queue` holds `expected` messages.
pub async fn depth(broker: &dyn Broker, queue: &str, expected: u64) {
    let mut last = None;
    let reached = in_time(SOON, async || {
        let depths = broker.depths().await.expect("the depths");
        let found = depths.iter().find(|depth| depth.queue.ends_with(queue));
        last = found.map(|depth| depth.messages);
        (last == Some(expected)).then_some(())
    });
    let reached = reached.await.is_some();
    assert!(
        reached,
        "{queue} should hold {expected}, and holds {last:?}"
    );
}
