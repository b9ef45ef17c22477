//! `api serve` as a process, with a real `RabbitMQ`: start, output, signals, end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use harness::process::{Launch, Process, Signal};
use harness::programs::Program;
use harness::wait::eventually;

use crate::operator::Operator;

/// The longest time to wait for a log line or for the end of a process.
const SOON: Duration = Duration::from_secs(30);

impl Operator {
    /// `api serve` on a free port, with queues of its own.
    fn serving(&self) -> Launch {
        let broker = std::env::var("AMQP_URL").unwrap_or_else(|_| {
            panic!("AMQP_URL is not set; run scripts/test, which starts a RabbitMQ of its own")
        });
        let folder = self.folder.path();
        let name = folder.file_name().and_then(|name| name.to_str());
        Launch::new(Program::Api, folder)
            .arguments(&["serve"])
            .env(
                "DATABASE_URL",
                format!("sqlite://{}", self.database().display()),
            )
            .env("AMQP_URL", broker)
            .env("QUEUE_PREFIX", name.expect("the folder has a plain name"))
            .env("API_BIND", "127.0.0.1:0")
            .env("LOG_FORMAT", "json")
    }
}

/// Sends a signal and waits for the end. Returns the exit code and the log.
async fn end_by(mut server: Process, signal: Signal) -> (Option<i32>, String) {
    server.signal(signal).await;
    let status = server.ended(SOON).await;
    (status.code(), server.log())
}

/// Starts a server, stops it once it serves, and returns the exit code and the log.
async fn served(launch: &Launch) -> (Option<i32>, String) {
    let mut server = launch.start("api");
    server.url().await;
    end_by(server, Signal::Terminate).await
}

/// The log of a server that must not start: exit code 1, and nothing on stdout.
async fn refusal(launch: &Launch) -> String {
    let mut server = launch.start("api");
    let status = server.ended(SOON).await;
    assert_eq!((status.code(), server.printed().as_str()), (Some(1), ""));
    server.log()
}

#[tokio::test]
async fn it_says_where_it_listens_serves_and_ends_with_0_on_a_signal() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let operator = Operator::new();
        let mut server = operator.serving().start("api");
        let url = server.url().await;
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let get = async |path: &str| {
            let response = reqwest::get(format!("{url}{path}")).await;
            let response = response.expect("it answers");
            assert_eq!(response.status(), 200, "{path}");
            response.text().await.expect("it ends")
        };
        get("/healthz").await;
        get("/readyz").await;
        let figures = get("/metrics").await;
        let described = "# HELP task_center_http_requests_total ";
        assert!(figures.contains(described), "{figures}");
        let (code, log) = end_by(server, signal).await;
        assert_eq!(code, Some(0), "{log}");
        let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
        let messages: Vec<String> = lines
            .map(|line| line.expect("a log line is JSON")["message"].to_string())
            .collect();
        assert!(
            messages.iter().any(|m| m.contains("stopping")),
            "{messages:?}"
        );
        assert_eq!(operator.json("audit")["balanced"], true);
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_though_a_request_is_under_way() {
    let operator = Operator::new();
    operator.says("user create --name a");
    let key = operator.json("key create --user a --label b");
    let key = key["key"].as_str().expect("the key is printed");
    let mut server = operator.serving().start("api");
    let url = server.url().await;
    let address = url.strip_prefix("http://").expect("it is HTTP");
    let mut slow = TcpStream::connect(address).expect("it takes connections");
    let head = format!(
        "POST /suno/submit/music HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).expect("it listens");
    // That it asks for the body is the proof that the request is under way.
    let mut first = [0; 12];
    slow.read_exact(&mut first).expect("it answers");
    assert_eq!(&first, b"HTTP/1.1 100");
    server.signal(Signal::Terminate).await;
    eventually(SOON, "the stop", async || {
        server.log().contains("stopping").then_some(())
    })
    .await;
    let (code, log) = end_by(server, Signal::Terminate).await;
    assert_eq!(code, Some(143), "{log}");
    assert!(log.contains("exiting at once"), "{log}");
}

#[tokio::test]
async fn the_upstream_of_the_environment_is_the_channel_default() {
    let operator = Operator::new();
    let launch = operator.serving();
    let launch = launch.env("SUNO_BASE_URL", "https://u.example/");
    let (code, log) = served(&launch.env("SUNO_API_KEY", "hunter2")).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    let channels = operator.json("channel list");
    assert_eq!(channels[0]["name"], "default");
    assert_eq!(channels[0]["base_url"], "https://u.example");
}

#[tokio::test]
async fn a_public_address_without_tls_is_warned_of() {
    let operator = Operator::new();
    let (_, log) = served(&operator.serving().env("API_BIND", "0.0.0.0:0")).await;
    assert!(log.contains("API_BIND is public"), "{log}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_reason_that_names_its_variable() {
    let operator = Operator::new();
    let taken = TcpListener::bind("127.0.0.1:0").and_then(|held| Ok((held.local_addr()?, held)));
    let (address, _held) = taken.expect("a port is free");
    let reason = refusal(&operator.serving().env("API_BIND", address.to_string())).await;
    let expected = format!("API_BIND: cannot listen on {address}: ");
    assert!(reason.contains(&expected), "{reason}");
}

#[tokio::test]
async fn a_broker_that_refuses_is_a_reason_that_names_its_variable() {
    let operator = Operator::new();
    let launch = operator.serving().arguments(&[]);
    let mut url = harness::servers::amqp_of_environment();
    url.set_password(Some("hunter2")).expect("it takes one");
    let reason = refusal(&launch.env("AMQP_URL", url.as_str())).await;
    let expected = "AMQP_URL: the broker refused";
    assert!(reason.contains(expected), "{reason}");
    assert!(!reason.contains("hunter2"), "{reason}");
}

#[tokio::test]
async fn figures_with_an_address_of_their_own_are_served_there_alone() {
    let operator = Operator::new();
    let launch = operator.serving().env("METRICS_BIND", "127.0.0.1:0");
    let mut server = launch.start("api");
    let url = server.url().await;
    let metrics = eventually(SOON, "the address of the figures", async || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("METRICS"))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["url"].as_str()?.to_owned())
    })
    .await;
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (url, status) in [
        (format!("{metrics}/metrics"), 200),
        (format!("{metrics}/healthz"), 404),
        (format!("{url}/metrics"), 404),
        (format!("{url}/healthz"), 200),
    ] {
        let answer = reqwest::get(&url).await.expect("it answers");
        assert_eq!(answer.status(), status, "{url}");
    }
    let (code, log) = end_by(server, Signal::Terminate).await;
    assert_eq!(code, Some(0), "{log}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    // In a folder of its own, where nothing was printed yet.
    let log = refusal(&Operator::new().serving().env("METRICS_BIND", &address)).await;
    assert!(log.contains("METRICS_BIND: cannot listen on"), "{log}");
}
