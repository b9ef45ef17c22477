//! Health and figures (contract, section 4).

use shared::broker::Broker as _;

use crate::world::World;

#[tokio::test]
async fn a_process_lives_whatever_is_away() {
    let world = World::new().await;
    world.store.close().await;
    world.broker.close().await;
    let answer = world.get("/healthz").send().await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"status":"ok"}"#));
}

#[tokio::test]
async fn it_is_ready_when_database_and_broker_answer() {
    let world = World::new().await;
    let answer = world.get("/readyz").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), r#"{"database":"ok","broker":"ok"}"#);
}

#[tokio::test]
async fn it_says_which_of_them_does_not_answer() {
    let world = World::new().await;
    world.broker.close().await;
    let answer = world.get("/readyz").send().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), r#"{"database":"ok","broker":"unreachable"}"#);
    world.store.close().await;
    let answer = world.get("/readyz").send().await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text(),
        r#"{"database":"unreachable","broker":"unreachable"}"#
    );
}

#[tokio::test]
async fn figures_count_requests_by_route_method_and_status_and_what_was_charged() {
    let (world, alice) = World::with_alice().await;
    world.submit(&alice, "lyrics", r#"{"prompt":"p"}"#).await;
    world.get("/nowhere/at/all").send().await;
    let answer = world.get("/metrics").send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"));
    for figure in [
        r#"task_center_http_requests_total{route="/suno/submit/{action}",method="POST",status="200"}"#,
        r#"task_center_http_requests_total{route="none",method="GET",status="404"}"#,
        r#"task_center_http_request_seconds_count{route="/suno/submit/{action}",method="POST"}"#,
        r#"task_center_submits_total{action="lyrics",outcome="stored"}"#,
        r#"task_center_charges_total{action="lyrics"}"#,
    ] {
        let found = answer.text().lines().any(|line| line.starts_with(figure));
        assert!(found, "{figure}\n{}", answer.text());
    }
}
