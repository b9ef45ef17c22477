//! Real sockets: TLS, slow clients, clients that go away, and a stop.

use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::{get, post};
use shared::config::TlsFiles;
use shared::process::http::tls::Tls;
use shared::process::http::{Server, Timeouts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::app::{SONG, TestApp};
use crate::serving::{GET, LOOPBACK, SelfSigned, bounds, impatient, serve};

#[tokio::test]
async fn https_is_served_with_the_given_certificate() {
    let signed = SelfSigned::new();
    let tls = Tls::read(&signed.files).expect("certificate and key fit");
    let app = TestApp::new().await;
    let server = Server::bind(LOOPBACK, Some(tls), bounds()).await;
    let server = server.expect("a port is free");
    let address = server.address();
    assert_eq!(server.url(), format!("https://{address}"));
    let serving = tokio::spawn(server.serve(app.router.clone(), std::future::pending()));
    let response = signed.healthz(address).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("x-request-id"));
    serving.abort();

    let missing = TlsFiles {
        cert: "no-such-cert.pem".into(),
        key: signed.files.key.clone(),
    };
    let error = Tls::read(&missing).expect_err("there is no such file");
    assert!(error.to_string().contains("no-such-cert.pem"), "{error}");
    let swapped = TlsFiles {
        cert: signed.files.key.clone(),
        key: signed.files.cert.clone(),
    };
    assert!(Tls::read(&swapped).is_err());
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_cut_off() {
    let app = TestApp::new().await;
    let serving = serve(app.router.clone(), impatient()).await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nHost: "] {
        let mut client = serving.send(sent).await;
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut rest));
        assert!(read.await.is_ok(), "{sent:?} was waited for");
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let large = axum::body::Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
    let length = large.len();
    let router = Router::new().route("/", get(async move || large.clone()));
    let serving = serve(router, impatient()).await;
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut client = serving.send(request).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut got = Vec::new();
    let read = client.read_to_end(&mut got).await;
    let is_cut = read.is_err() || got.len() < length;
    assert!(is_cut, "all of it was kept for the client");
}

#[tokio::test]
async fn on_a_stop_requests_under_way_finish_and_new_connections_are_refused() {
    let handler = get(async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        "done"
    });
    let serving = serve(Router::new().route("/", handler), Timeouts::default()).await;
    let _sent_nothing = serving.send("").await;
    let mut client = serving.send(GET).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopped = Instant::now();
    serving.stop.request();
    let mut response = String::new();
    let read = client.read_to_string(&mut response).await;
    read.expect("it answers");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.ends_with("done"), "{response}");
    let address = serving.address;
    serving.end().await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "it is quick");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_does_not_delay_the_stop() {
    let router = Router::new().route("/", get(std::future::pending::<()>));
    let timeouts = Timeouts {
        grace: Duration::from_millis(300),
        ..impatient()
    };
    let serving = serve(router, timeouts).await;
    let _client = serving.send(GET).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    serving.stop.request();
    let ended = tokio::time::timeout(Duration::from_secs(10), serving.ended).await;
    assert!(ended.is_ok());
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_each_task_stored_and_published() {
    let (app, alice) = TestApp::with_alice().await;
    let serving = serve(app.router.clone(), Timeouts::default()).await;
    let head = format!(
        "POST /suno/submit/music HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        alice.key,
        SONG.len()
    );
    for number in 0..60 {
        let client = serving.send(&format!("{head}{SONG}")).await;
        tokio::time::sleep(Duration::from_micros(number * 100)).await;
        drop(client);
    }
    serving.stop.request();
    serving.end().await;
    // A store that outlives its request ends soon.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stored = app.audited_tasks().await;
    assert!(stored > 0);
    app.publisher.stop().await;
    assert_eq!(i64::try_from(app.queued().await), Ok(stored));
}

#[tokio::test]
async fn a_client_that_sends_too_large_a_body_still_reads_the_response() {
    let (app, alice) = TestApp::with_alice().await;
    let serving = serve(app.router.clone(), Timeouts::default()).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let url = format!("http://{}/suno/submit/music", serving.address);
    // As many sign-ins as may fail.
    for (length, key, status) in [
        (250 * 1024, "unknown", 401),
        (3 * 1024 * 1024, "unknown", 401),
        (300 * 1024, alice.key.as_str(), 413),
        (8 * 1024 * 1024, alice.key.as_str(), 413),
    ] {
        for _ in 0..10 {
            let request = client.post(&url).bearer_auth(key);
            let request = request.header("content-type", "application/json");
            let response = request.body(vec![b' '; length]).send().await;
            let response = response.expect("the response arrives");
            assert_eq!(response.status(), status, "{length} bytes");
        }
    }
}

#[tokio::test]
async fn a_client_that_still_sends_when_the_connection_closes_reads_the_response() {
    // A handler that reads nothing of the body.
    let refuse = post(async || ([(header::CONNECTION, "close")], "refused"));
    let serving = serve(Router::new().route("/", refuse), Timeouts::default()).await;
    let body = vec![b' '; 32 * 1024 * 1024];
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = serving.send(&head).await;
    // It reads once it has sent everything, as simple clients do.
    client.write_all(&body).await.expect("all of it is taken");
    let mut response = String::new();
    let read = client.read_to_string(&mut response).await;
    read.expect("the connection is not reset");
    assert!(response.ends_with("refused"), "{response}");
}

#[test]
fn an_idle_connection_outlives_those_that_clients_and_proxies_keep() {
    // nginx and the load balancers of AWS keep them for 60 s, Go and reqwest for 90 s.
    assert!(Timeouts::default().head > Duration::from_secs(90));
}

/// Sends a request with the body in pieces, and returns its answer up to its head.
async fn answer(client: &mut TcpStream, head: &str, body: &[u8]) -> String {
    let head = format!("{head}Host: x\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await.expect("it is sent");
    for piece in body.chunks(16 * 1024) {
        tokio::task::yield_now().await;
        client.write_all(piece).await.expect("it is sent");
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut piece = [0; 4096];
        let read = client.read(&mut piece).await.expect("it answers");
        assert!(read > 0, "the connection ended without notice");
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

#[tokio::test]
async fn a_kept_connection_outlives_an_answer_that_came_before_the_body_was_read() {
    let (app, alice) = TestApp::with_alice().await;
    let serving = serve(app.router.clone(), Timeouts::default()).await;
    let mut client = serving.send("").await;
    let key = format!("Authorization: Bearer {}\r\n", alice.key);
    let large = vec![b' '; 200 * 1024];
    for (status, head, body) in [
        (
            401,
            "POST /suno/submit/music HTTP/1.1\r\n".to_owned(),
            &large,
        ),
        (404, "POST /nowhere HTTP/1.1\r\n".to_owned(), &large),
        (405, "POST /healthz HTTP/1.1\r\n".to_owned(), &large),
        (
            400,
            format!("POST /suno/submit/video HTTP/1.1\r\n{key}"),
            &large,
        ),
        (
            415,
            format!("POST /suno/submit/music HTTP/1.1\r\nContent-Type: text/plain\r\n{key}"),
            &large,
        ),
        (
            413,
            format!("POST /suno/submit/music HTTP/1.1\r\n{key}"),
            // A proxy that streams bodies closes its client's connection if we stop reading.
            &vec![b' '; 8 << 20],
        ),
    ] {
        for (status, head, body) in [
            (status, head.as_str(), body.as_slice()),
            (
                200,
                &format!("POST /suno/submit/music HTTP/1.1\r\n{key}"),
                SONG.as_bytes(),
            ),
        ] {
            let answer = answer(&mut client, head, body).await;
            assert!(
                answer.starts_with(&format!("http/1.1 {status} ")),
                "{head}: {answer}"
            );
            assert!(!answer.contains("connection: close"), "{head}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_answer_to_an_endless_body_says_that_the_connection_ends() {
    let app = TestApp::new().await;
    let serving = serve(app.router.clone(), Timeouts::default()).await;
    for head in [
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n",
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    ] {
        let mut client = serving.send(head).await;
        let (mut reads, mut writes) = client.split();
        let piece = vec![b' '; 64 * 1024];
        let sending =
            async { while !head.contains("Expect") && writes.write_all(&piece).await.is_ok() {} };
        let mut answer = Vec::new();
        let reading = reads.read_to_end(&mut answer);
        let _ = tokio::join!(
            sending,
            tokio::time::timeout(Duration::from_secs(20), reading)
        );
        let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 404 "), "{head}: {answer}");
        assert!(answer.contains("connection: close"), "{head}: {answer}");
    }
}
