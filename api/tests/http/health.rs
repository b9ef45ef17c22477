//! Health and figures (`docs/contract.md`, "Health and metrics").

use shared::broker::Broker as _;

use crate::app::{SONG, TestApp};

#[tokio::test]
async fn a_process_lives_whatever_is_away() {
    let app = TestApp::new().await;
    app.store.close().await;
    app.broker.close().await;
    assert_answers(&app, "/healthz", 200, r#"{"status":"ok"}"#).await;
}

#[tokio::test]
async fn it_is_ready_when_the_database_can_be_written() {
    let app = TestApp::new().await;
    let ready = r#"{"database":"ok","broker":"ok","clock":"ok"}"#;
    assert_answers(&app, "/readyz", 200, ready).await;
}

#[tokio::test]
async fn it_says_which_of_them_does_not_answer() {
    let app = TestApp::new().await;
    app.broker.close().await;
    let no_broker = r#"{"database":"ok","broker":"unreachable","clock":"ok"}"#;
    assert_answers(&app, "/readyz", 200, no_broker).await;
    app.store.close().await;
    let neither = r#"{"database":"unreachable","broker":"unreachable","clock":"ok"}"#;
    assert_answers(&app, "/readyz", 503, neither).await;
}

#[tokio::test]
async fn a_process_that_stops_is_not_ready_and_still_serves() {
    let (app, alice) = TestApp::with_alice().await;
    app.stop.request_drained();
    let stopping = r#"{"database":"ok","broker":"ok","clock":"ok","stopping":true}"#;
    assert_answers(&app, "/readyz", 503, stopping).await;
    assert_answers(&app, "/healthz", 200, r#"{"status":"ok"}"#).await;
    app.song(&alice).await;
}

async fn assert_answers(app: &TestApp, path: &str, status: u16, text: &str) {
    let response = app.get(path).send().await;
    assert_eq!((response.status, response.text()), (status, text));
}

#[tokio::test]
async fn figures_count_requests_by_route_method_and_status_and_what_was_charged() {
    let (app, alice) = TestApp::with_alice().await;
    app.submit(&alice, "lyrics", SONG).await;
    app.get("/nowhere/at/all").send().await;
    let response = app.get("/metrics").send().await;
    assert_eq!(response.status, 200);
    assert!(response.header("content-type").starts_with("text/plain"));
    for figure in [
        r#"task_center_http_requests_total{route="/suno/submit/{action}",method="POST",status="200"}"#,
        r#"task_center_http_requests_total{route="none",method="GET",status="404"}"#,
        r#"task_center_http_request_seconds_count{route="/suno/submit/{action}",method="POST"}"#,
        r#"task_center_submits_total{action="lyrics",outcome="stored"}"#,
        r#"task_center_charges_total{action="lyrics"}"#,
    ] {
        let found = response.text().lines().any(|line| line.starts_with(figure));
        assert!(found, "{figure}\n{}", response.text());
    }
}
