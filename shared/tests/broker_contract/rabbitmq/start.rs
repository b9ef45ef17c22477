//! Errors at the start are reported at once and without the password.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use shared::broker::{Broker as _, BrokerError};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::Topology;
use crate::messages::SOON;

#[tokio::test]
async fn a_start_leaves_no_message_behind() {
    let topology = Topology::new();
    let broker = topology.broker(&topology.url).await;
    let depths = broker.depths().await.unwrap();
    assert!(depths.iter().all(|depth| depth.messages == 0), "{depths:?}");
}

#[tokio::test]
async fn processes_that_start_together_do_not_hinder_each_other() {
    let topology = Topology::new();
    let started =
        futures_util::future::join_all((0..4).map(|_| topology.connect_to(&topology.url)));
    for broker in started.await {
        broker.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn an_unreachable_broker_is_reported_at_once() {
    let topology = Topology::new();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let since = Instant::now();
    let url = format!("amqp://u:hunter2@{address}/v");
    let error = topology.connect_to(&url).await.unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable(_)), "{error}");
    assert!(since.elapsed() < Duration::from_secs(2));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_broker_that_takes_the_connection_and_never_greets_is_given_up() {
    let topology = Topology::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("amqp://guest:guest@{address}/%2f");
    let connecting = topology.connect_to(&url);
    let (socket, connected) = tokio::join!(silent.accept(), timeout(SOON, connecting));
    let error = connected.unwrap().unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable(_)), "{error}");
    // Nothing of it stays behind: the socket is closed.
    let (mut socket, _) = socket.unwrap();
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut rest);
    let read = timeout(Duration::from_secs(2), read).await;
    read.unwrap().unwrap();
}

#[tokio::test]
async fn a_broker_without_tls_is_reported_as_unreachable_by_tls() {
    let topology = Topology::new();
    let (_, rest) = topology.url.split_once("://").unwrap();
    let error = topology.connect_to(&format!("amqps://{rest}")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn wrong_credentials_are_reported_as_such() {
    let topology = Topology::new();
    let (_, rest) = topology.url.rsplit_once('@').unwrap();
    let url = format!("amqp://nobody:hunter2@{rest}");
    let error = topology.connect_to(&url).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BrokerError::Refused(_)), "{text}");
    assert!(text.contains("ACCESS_REFUSED"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_missing_virtual_host_is_reported_as_such() {
    let topology = Topology::new();
    let (authority, _) = topology.url.rsplit_once('/').unwrap();
    let url = format!("{authority}/not-there");
    let error = topology.connect_to(&url).await.unwrap_err();
    assert!(matches!(error, BrokerError::Refused(_)), "{error}");
    assert!(error.to_string().contains("not-there"), "{error}");
}

#[tokio::test]
async fn a_queue_of_our_name_with_other_arguments_is_reported_as_such() {
    let topology = Topology::new();
    let channel = topology.channel().await;
    let classic = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let queue = topology.name("poll").into();
    let declared = channel.queue_declare(queue, classic, FieldTable::default());
    declared.await.unwrap();
    let error = topology.connect_to(&topology.url).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BrokerError::Refused(_)), "{text}");
    assert!(text.contains(&topology.name("poll")), "{text}");
    assert!(text.contains("QUEUE_PREFIX"), "{text}");
}
