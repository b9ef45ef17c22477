//! Answers under way: their bytes have a bound, and a user's a smaller one.

use std::time::Duration;

use api::http::answers::{Answers, Bounds};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use harness::wait::eventually;
use serde_json::{Value, json};
use shared::config::{Cors, ListingActions, Networks};
use shared::process::http::{Bounds as Connections, Server, Timeouts};
use shared::task::End;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::app::{TestApp, TestUser};

const MIB: usize = 1024 * 1024;
/// The bytes of a result.
const LARGE: usize = 3 * MIB / 2;

fn bounds() -> Bounds {
    Bounds {
        process: 4 * MIB,
        user: 5 * MIB / 2,
        wait: Duration::from_millis(100),
        ..Bounds::default()
    }
}

/// An app with these bounds, and users who have one task each, with a result of so many bytes.
async fn app(bounds: Bounds, size: usize, names: &[&str]) -> (TestApp, Vec<(TestUser, String)>) {
    let answers = Answers::new(bounds);
    let app = TestApp::with_answers(Cors::None, ListingActions::default(), answers).await;
    let channel = app.channel("main").await;
    let mut users = Vec::new();
    for name in names {
        let user = app.user(name).await;
        let task = app.song(&user).await;
        app.accept(&task, channel, &format!("at-{name}")).await;
        let data = json!([{ "id": name, "lyric": "x".repeat(size) }]).to_string();
        app.end(&task, channel, End::Success, Some(&data)).await;
        users.push((user, task));
    }
    (app, users)
}

/// Asks, and leaves the answer unread.
async fn ask(app: &TestApp, path: &str, secret: &str) -> Response {
    let request = Request::get(path).header(header::HOST, "localhost");
    let request = request.header(header::AUTHORIZATION, secret);
    let request = request.body(Body::empty()).expect("it is a request");
    let Ok(response) = app.router.clone().oneshot(request).await;
    response
}

async fn read(response: Response) -> Value {
    let length = response.headers().get(header::CONTENT_LENGTH).cloned();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    let body = body.expect("it ends");
    if let Some(length) = length {
        assert_eq!(length, body.len().to_string());
    }
    serde_json::from_slice(&body).expect("it is JSON")
}

#[tokio::test]
async fn unread_answers_fill_a_users_room_then_the_process_and_what_is_read_or_dropped_frees_it() {
    let (app, users) = app(bounds(), LARGE, &["alice", "bob", "carol"]).await;
    let [(alice, task), (bob, _), (carol, _)] = &users[..] else {
        panic!("there are three");
    };
    let paths = ["/api/task/self".to_owned(), format!("/api/task/{task}")];
    for path in &paths {
        let unread = ask(&app, path, &alice.token).await;
        assert_eq!(unread.status(), StatusCode::OK, "{path}");
        // The same user has no room for a second one: on both surfaces, and for the page and for the task.
        for (path, secret) in [
            (paths[0].as_str(), &alice.token),
            (paths[1].as_str(), &alice.token),
            (&format!("/suno/fetch/{task}"), &alice.key),
        ] {
            let refused = ask(&app, path, secret).await;
            assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
            assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
            let body = read(refused).await;
            if path.starts_with("/suno") {
                assert_eq!(body["code"], "too_many_requests");
            }
        }
        // Another user has. Then the process is full, and that is no user's fault.
        let second = ask(&app, &paths[0], &bob.token).await;
        assert_eq!(second.status(), StatusCode::OK);
        let third = ask(&app, &paths[0], &carol.token).await;
        assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(third.headers().contains_key(header::RETRY_AFTER));
        // What is read frees its room, and so does what is dropped.
        let shown = read(unread).await.to_string();
        assert!(shown.contains(&"x".repeat(LARGE)), "it is whole");
        drop(second);
        let after = ask(&app, &paths[0], &alice.token).await;
        assert_eq!(after.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn many_short_answers_are_under_way_at_the_same_time() {
    let (app, users) = app(bounds(), LARGE, &["alice"]).await;
    let path = "/api/task/self?status=FAILURE";
    let mut unread = Vec::new();
    for _ in 0..500 {
        let response = ask(&app, path, &users[0].0.token).await;
        assert_eq!(response.status(), StatusCode::OK);
        unread.push(response);
    }
}

#[tokio::test]
async fn a_client_that_takes_a_large_answer_too_slowly_is_cut_off_and_its_room_is_free() {
    let impatient = Bounds {
        taken_within: Duration::from_millis(500),
        per_second: usize::MAX,
        user: 12 * MIB,
        process: 12 * MIB,
        ..bounds()
    };
    let size = 7 * MIB;
    let (app, users) = app(impatient, size, &["alice"]).await;
    let token = &users[0].0.token;
    let connections = Connections::with_total(100, Networks::default());
    let server = Server::bind(([127, 0, 0, 1], 0).into(), None, connections).await;
    let server = server.expect("a port is free").timeouts(Timeouts {
        unread: Duration::from_mins(10),
        ..Timeouts::default()
    });
    let address = server.address();
    let serving = tokio::spawn(server.serve(app.router.clone(), std::future::pending()));
    let socket = tokio::net::TcpSocket::new_v4().expect("there is a socket");
    // Far less than the answer fits into the buffers of both sockets.
    let _ = socket.set_recv_buffer_size(4 * 1024);
    let mut client: TcpStream = socket.connect(address).await.expect("it connects");
    let request =
        format!("GET /api/task/self HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n");
    client
        .write_all(request.as_bytes())
        .await
        .expect("it is sent");
    // It takes a little now and then, so that no time-out of its socket ends it.
    let mut got = 0;
    let ended = async {
        let mut piece = [0; 1024];
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match client.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(read) => got += read,
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    ended.expect("it is cut off");
    assert!(got < size, "all of it was kept for the client");
    eventually(Duration::from_secs(10), "room", async || {
        let response = ask(&app, "/api/task/self", token).await;
        (response.status() == StatusCode::OK).then_some(())
    })
    .await;
    serving.abort();
}
