//! The worker's port: the API's server and its limits.

use std::sync::Arc;
use std::time::Duration;

use harness::folder::Folder;
use shared::broker::in_process::InProcess;
use shared::config::{Config, DatabaseUrl, Program};
use shared::process::Process;
use shared::process::lifecycle::Stop;
use shared::random::Random;
use shared::store::{Plans, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use worker::health;

/// The answer to `request` on a connection of its own, up to the end of the connection.
async fn answer(address: &str, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.expect("it connects");
    let sent = client.write_all(request.as_bytes()).await;
    sent.expect("it is sent");
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer).await;
    read.expect("the connection ends well");
    answer
}

#[tokio::test]
async fn the_port_answers_well_formed_requests_and_refuses_others_as_the_api_does() {
    let folder = Folder::new();
    let database = DatabaseUrl::Sqlite(folder.path().join("worker.db"));
    let store = Store::open(&database, 2, Plans::Fresh).await;
    let store = store.expect("the database opens");
    store.migrate().await.expect("the tables are made");
    let (broker, random) = (Arc::new(InProcess::new()), Arc::new(Random::seeded(1)));
    let stop = Stop::new();
    let mut process = Process::new(store, broker, random, stop.clone());
    let config = Config::read(Program::TaskCenter, |name| {
        (name == "WORKER_BIND").then(|| "127.0.0.1:0".to_owned())
    });
    let server = health::bind(&config.expect("it is valid")).await;
    let server = server.expect("a port is free");
    let address = server.address().to_string();
    health::spawn(&mut process, server, std::sync::Arc::default());
    let running = tokio::spawn(async move { process.run(Duration::ZERO).await });

    let long = "a".repeat(60_000);
    for (request, status) in [
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "200",
        ),
        (
            "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "200",
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "200",
        ),
        (
            "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "404",
        ),
        ("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\nConnection: close\r\n\r\n",
            "400",
        ),
        ("nothing\r\n\r\n", "400"),
        (&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), "431"),
    ] {
        let answer = answer(&address, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
    let metrics = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let metrics = answer(&address, metrics).await;
    assert!(
        metrics.contains("\ntask_center_http_connections_limit "),
        "{metrics}"
    );
    stop.request();
    running
        .await
        .expect("it did not panic")
        .expect("nothing died");
}
