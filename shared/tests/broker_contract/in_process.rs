//! The Broker in process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared::broker::in_process::InProcess;
use shared::broker::{Broker, Queue, SharedBroker};
use tokio::time::Instant;

use crate::contract::Bench;
use crate::messages::{after, poll};

crate::the_whole_contract!(super::Queues(super::InProcess::new()));

struct Queues(InProcess);

#[async_trait]
impl Bench for Queues {
    async fn connect(&self) -> SharedBroker {
        Arc::new(self.0.another())
    }
}

#[tokio::test(start_paused = true)]
async fn time_is_tokios_so_a_test_can_move_it() {
    let broker = InProcess::new();
    let mut consumer = broker.consume(Queue::Poll, 1).await.unwrap();
    let since = Instant::now();
    broker
        .publish(&[after(300, poll(1)), after(60, poll(2))])
        .await
        .unwrap();
    for seconds in [60, 300] {
        let delivery = consumer.next().await.expect("the consumer should go on");
        assert_eq!(since.elapsed(), Duration::from_secs(seconds));
        delivery.ack();
    }
}
