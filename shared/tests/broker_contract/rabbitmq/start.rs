//! At the start: what is wrong is said, at once and without the password.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use shared::broker::{Broker as _, BrokerError};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::on_a_topology;
use crate::messages::SOON;

#[tokio::test]
async fn a_start_leaves_no_message_behind() {
    on_a_topology(async |topology| {
        let broker = topology.connect_to(&topology.url).await.unwrap();
        let depths = broker.depths().await.unwrap();
        assert!(depths.iter().all(|depth| depth.messages == 0), "{depths:?}");
    })
    .await;
}

#[tokio::test]
async fn processes_that_start_together_do_not_hinder_each_other() {
    on_a_topology(async |topology| {
        let started =
            futures_util::future::join_all((0..4).map(|_| topology.connect_to(&topology.url)));
        for broker in started.await {
            broker.unwrap().ping().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_said_at_once() {
    on_a_topology(async |topology| {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let since = Instant::now();
        let refused = topology
            .connect_to(&format!("amqp://u:hunter2@{address}/v"))
            .await;
        let error = refused.unwrap_err();
        assert!(matches!(error, BrokerError::Unreachable(_)), "{error}");
        assert!(since.elapsed() < Duration::from_secs(2));
        let said = error.to_string();
        assert!(said.contains(&address.to_string()), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_takes_the_connection_and_never_greets_is_given_up() {
    on_a_topology(async |topology| {
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
        timeout(Duration::from_secs(2), read)
            .await
            .unwrap()
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_speaks_no_tls_is_said_to_be_out_of_reach_by_tls() {
    on_a_topology(async |topology| {
        let (_, rest) = topology.url.split_once("://").unwrap();
        let error = topology.connect_to(&format!("amqps://{rest}")).await;
        let error = error.unwrap_err();
        assert!(matches!(error, BrokerError::Unreachable(_)), "{error}");
    })
    .await;
}

#[tokio::test]
async fn wrong_credentials_are_said_as_such() {
    on_a_topology(async |topology| {
        let (_, rest) = topology.url.rsplit_once('@').unwrap();
        let url = format!("amqp://nobody:hunter2@{rest}");
        let error = topology.connect_to(&url).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, BrokerError::Refused(_)), "{said}");
        assert!(said.contains("ACCESS_REFUSED"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_said_as_such() {
    on_a_topology(async |topology| {
        let (authority, _) = topology.url.rsplit_once('/').unwrap();
        let error = topology
            .connect_to(&format!("{authority}/not-there"))
            .await
            .unwrap_err();
        assert!(matches!(error, BrokerError::Refused(_)), "{error}");
        assert!(error.to_string().contains("not-there"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_queue_of_our_name_made_otherwise_is_said_as_such() {
    on_a_topology(async |topology| {
        let channel = topology.channel().await;
        let classic = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(topology.name("poll").into(), classic, FieldTable::default())
            .await
            .unwrap();
        let error = topology.connect_to(&topology.url).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, BrokerError::Refused(_)), "{said}");
        assert!(said.contains(&topology.name("poll")), "{said}");
        assert!(said.contains("QUEUE_PREFIX"), "{said}");
    })
    .await;
}
