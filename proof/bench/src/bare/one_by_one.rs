//! The same work as a worker's, one task a message, a call and a transaction.

use std::sync::Arc;
use std::time::Duration;

use shared::broker::{Message, Queue, SharedBroker};
use shared::clock::SystemClock;
use shared::process::lifecycle::Stop;
use shared::random::Random;
use shared::store::Store;
use shared::task::wait::PollPace;
use tokio::task::JoinSet;
use tokio::time::Instant;
use worker::Settings;
use worker::context::Context;
use worker::poll::poll;
use worker::schedule::publish_now;

/// How many tasks are worked on at once.
const AT_ONCE: usize = 32;
const PREFETCH: u16 = 300;

/// Polls the next `tasks` that come out of the queue; returns how long that took.
pub async fn poll_all(store: &Store, broker: &SharedBroker, tasks: usize) -> Duration {
    let context = Arc::new(context(store, broker));
    let mut consumer = broker
        .consume(Queue::Poll, PREFETCH)
        .await
        .expect("RabbitMQ answers");
    let mut under_way = JoinSet::new();
    let started = Instant::now();
    for _ in 0..tasks {
        let delivery = consumer.next().await.expect("a message comes");
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
        let context = context.clone();
        under_way.spawn(async move {
            let Message::Poll { channel, tasks } = delivery.message.clone() else {
                panic!("these are polls");
            };
            let next = poll(&context, channel, None, &tasks).await;
            assert!(publish_now(&context, next.expect("it polls")).await);
            delivery.ack();
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("it polls");
    }
    let took = started.elapsed();
    consumer.stop().await;
    took
}

fn context(store: &Store, broker: &SharedBroker) -> Context {
    let timeout = Duration::from_secs(30);
    let seldom = Duration::from_mins(5);
    let settings = Settings {
        pace: PollPace {
            initial: seldom,
            max: seldom,
        },
        submit_attempts: 5,
        submit_timeout: timeout,
        fetch_timeout: timeout,
    };
    Context::new(
        store.clone(),
        broker.clone(),
        Arc::new(SystemClock),
        Arc::new(Random::from_system()),
        settings,
        Stop::new(),
    )
    .expect("a client can be made")
}
