//! What goes over the wire, and what an operator sees of us.

use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use shared::broker::Queue;

use super::Topology;
use crate::contract::Bench as _;
use crate::messages::{acknowledge, after, depth, next, nothing, now, poll, submit};

pub async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8], kind: &str) {
    let properties = BasicProperties::default().with_type(kind.into());
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let published = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    let confirmed = published.await.unwrap().await.unwrap();
    assert_eq!(confirmed, Confirmation::Ack(None));
}

#[tokio::test]
async fn a_message_is_json_and_durable() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    broker.publish(&[now(poll(17))]).await.unwrap();
    let channel = topology.channel().await;
    let queue = topology.name("poll");
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
    let message = got.await.unwrap().expect("a message");
    assert_eq!(
        String::from_utf8_lossy(&message.data),
        r#"{"v":1,"poll":{"channel":3,"tasks":[{"id":17,"turn":4}]}}"#
    );
    let properties = &message.properties;
    assert_eq!(properties.delivery_mode(), &Some(2));
    let content_type = properties.content_type().as_ref().map(ToString::to_string);
    assert_eq!(content_type.as_deref(), Some("application/json"));
    assert_eq!(message.exchange.as_str(), topology.name("work"));
    assert_eq!(message.routing_key.as_str(), "poll");
}

#[tokio::test]
async fn an_unreadable_message_is_parked_and_never_delivered() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    let mut consumer = broker.consume(Queue::Submit, 10).await.unwrap();
    let channel = topology.channel().await;
    let work = topology.name("work");
    for body in [
        &b"no JSON"[..],
        b"",
        br#"{"v":2,"submit":{"id":1,"turn":0}}"#,
        br#"{"v":1,"poll":{"channel":1,"tasks":[]}}"#, // it belongs into the other queue
    ] {
        publish(&channel, &work, "submit", body, "").await;
    }
    broker.publish(&[now(submit(5))]).await.unwrap();
    acknowledge(&mut consumer, 5).await;
    nothing(&mut consumer).await;
    depth(&*broker, ".parking", 4).await;
}

#[tokio::test]
async fn a_probe_that_was_left_behind_is_forgotten() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    // Not empty, so their probes stay in them.
    broker
        .publish(&[now(submit(1)), after(2, poll(2))])
        .await
        .unwrap();
    let later = topology.connect().await;
    let mut submits = later.consume(Queue::Submit, 10).await.unwrap();
    let mut polls = later.consume(Queue::Poll, 10).await.unwrap();
    for consumer in [&mut submits, &mut polls] {
        next(consumer).await.ack();
        nothing(consumer).await;
    }
    for queue in [".submit", ".poll", ".delay.2s", ".parking"] {
        depth(&*broker, queue, 0).await;
    }
}

#[tokio::test]
async fn a_probe_that_was_left_in_a_waiting_queue_soon_leaves_it() {
    let topology = Topology::new();
    let broker = topology.connect().await;
    // Not empty, as where another program that starts has its probe: ours stays.
    broker.publish(&[after(300, poll(1))]).await.unwrap();
    let later = topology.connect().await;
    let mut polls = later.consume(Queue::Poll, 10).await.unwrap();
    depth(&*broker, ".delay.300s", 2).await;
    let channel = topology.channel().await;
    let queue = topology.name("delay.300s");
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
    let other = got.await.unwrap().expect("a message");
    other.acker.ack(BasicAckOptions::default()).await.unwrap();
    depth(&*broker, ".delay.300s", 0).await;
    nothing(&mut polls).await;
    for queue in [".poll", ".parking"] {
        depth(&*broker, queue, 0).await;
    }
}

#[tokio::test]
async fn connections_and_consumers_bear_their_names() {
    let topology = Topology::new();
    let (broker, proxy) = topology.behind_a_proxy().await;
    let pid = std::process::id();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    assert!(proxy.recorded(&format!("task-center/worker/{host}/{pid}/publish")));
    assert!(!proxy.recorded("/consume"), "nobody consumes yet");
    let _consumer = broker.consume(Queue::Poll, 1).await.unwrap();
    assert!(proxy.recorded(&format!("task-center/worker/{host}/{pid}/consume")));
    assert!(proxy.recorded(&format!("{}-{host}-{pid}", topology.name("poll"))));
}
