//! Polls without batches: one task is one message, one upstream call and one transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use harness::upstream::Upstream;
use serde_json::{Value, json};
use shared::broker::{Message, Outgoing, Queue, SharedBroker};
use shared::store::Store;
use shared::task::wait::Rung;
use shared::task::{AtTurn, ChannelId};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::store::{Poll, settle};

/// How many tasks are worked on at once.
const AT_ONCE: usize = 32;
/// The same as a worker's.
const PREFETCH: u16 = 300;
/// So long that no task comes back during a measurement.
const NEXT_POLL: Duration = Duration::from_mins(5);

/// Polls these tasks as they come out of the queue; returns how long that took. Messages about other tasks,
/// which a worker published for later, are acknowledged and nothing else.
pub async fn poll_all(
    store: &Store,
    broker: &SharedBroker,
    upstream: &Upstream,
    tasks: &[AtTurn],
) -> Duration {
    let worker = Arc::new(Worker {
        store: store.clone(),
        broker: broker.clone(),
        http: harness::client::http(),
        fetch: format!("{}/suno/fetch", upstream.url),
        key: upstream.key.clone(),
    });
    let mut consumer = broker
        .consume(Queue::Poll, PREFETCH)
        .await
        .expect("RabbitMQ answers");
    let mut under_way = JoinSet::new();
    let started = Instant::now();
    let mut to_come: HashSet<AtTurn> = tasks.iter().copied().collect();
    while !to_come.is_empty() {
        let delivery = consumer.next().await.expect("a message comes");
        let Message::Poll { channel, tasks } = delivery.message.clone() else {
            panic!("the queue holds polls only");
        };
        if !tasks.iter().any(|task| to_come.remove(task)) {
            delivery.ack();
            continue;
        }
        if under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
        let worker = worker.clone();
        under_way.spawn(async move {
            worker.poll(channel, &tasks).await;
            delivery.ack();
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("a poll succeeds");
    }
    let took = started.elapsed();
    consumer.stop().await;
    took
}

struct Worker {
    store: Store,
    broker: SharedBroker,
    http: reqwest::Client,
    fetch: String,
    key: String,
}

impl Worker {
    /// Reads the task, fetches it, writes the outcome, and publishes the next poll.
    async fn poll(&self, channel: ChannelId, tasks: &[AtTurn]) {
        let jobs = self.store.poll_jobs(channel, tasks).await;
        let jobs = jobs.expect("the database answers");
        let ids: Vec<&str> = jobs.iter().map(|job| job.upstream_id.as_str()).collect();
        let request = self.http.post(&self.fetch).bearer_auth(&self.key);
        let answer = request.json(&json!({ "ids": ids })).send().await;
        let answer: Value = answer
            .expect("the upstream answers")
            .json()
            .await
            .expect("the upstream answers with JSON");
        assert_eq!(answer["data"].as_array().map(Vec::len), Some(jobs.len()));
        let next = Outgoing {
            message: Message::Poll {
                channel,
                tasks: settle(&self.store, &jobs, Poll::MovedOn).await,
            },
            delay: Some(Rung::at_least(NEXT_POLL)),
        };
        self.broker
            .publish(&[next])
            .await
            .expect("RabbitMQ answers");
    }
}
