//! The endpoints for tests.

use std::time::Duration;

use hyper::Method;
use serde_json::json;
use suno_simulator::{Counts, Options};

use crate::upstream::{KEY, Upstream, quick};

#[tokio::test]
async fn a_title_accepted_twice_shows_in_the_counts() {
    let upstream = Upstream::start().await;
    upstream.accepted("Once").await;
    assert_eq!(upstream.counts().max_accepted_per_title, 1);
    upstream.submit("Twice sim:drop-afterx1").await.unwrap_err();
    upstream.accepted("Twice sim:drop-afterx1").await;
    let counts: Counts = serde_json::from_value(upstream.get("/simulator/counts").await).unwrap();
    assert_eq!(counts.max_accepted_per_title, 2);
    assert_eq!((counts.submits.asked, counts.submits.accepted), (3, 3));
    assert_eq!(
        (counts.submits.titles, counts.submits.accepted_twice),
        (2, 1)
    );
    assert_eq!(counts.tasks.values().sum::<u64>(), 3);
}

#[tokio::test]
async fn bodies_are_recorded_as_they_were_sent() {
    let upstream = Upstream::start().await;
    let body = json!({"prompt": "la", "title": "Rain", "persona_id": {"of": "the future"}});
    let id = upstream.post_json("/suno/submit/music", body.clone()).await["data"].clone();
    upstream.submit("Another").await.unwrap();
    let submits = upstream.get("/simulator/submits?title=Rain").await;
    let latest = json!([{"action": "MUSIC", "task_id": id, "idempotency_key": null, "fault": null, "body": body}]);
    assert_eq!(
        submits,
        json!({"title": "Rain", "asked": 1, "accepted": 1, "latest": latest})
    );
    let latest = upstream.get("/simulator/submits").await["latest"].clone();
    assert_eq!(latest.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn many_tasks_are_made_at_once_with_predictable_ids() {
    let upstream = Upstream::start().await;
    let order = json!({"series": 7, "count": 300, "takes": "0s", "stuck": true});
    let made = upstream.post_json("/simulator/tasks", order).await;
    assert!(made["born"].as_u64() > Some(1_600_000_000_000));
    let last = "00000000-0000-0000-0007-00000000012b";
    let after = "00000000-0000-0000-0007-00000000012c";
    let fetched = upstream.tasks(&[last, after]).await;
    assert_eq!(fetched.len(), 1);
    assert_eq!(fetched[0]["task_id"], last);
    assert_eq!(fetched[0]["status"], "IN_PROGRESS");
    upstream.post_json("/simulator/finish", json!({})).await;
    assert_eq!(upstream.counts().tasks["SUCCESS"], 300);
    let wrong = json!({"series": 7, "count": 1, "takes": "soon"});
    let refused = upstream.post("/simulator/tasks", &wrong).await.unwrap();
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn an_outage_can_be_turned_on_and_off() {
    let upstream = Upstream::start().await;
    let put = async |body: &str| {
        upstream
            .call(Method::PUT, "/simulator/faults", body.to_owned())
            .await
            .unwrap()
    };
    let answer = put(r#"{"503": 1, "missing": "5%"}"#).await;
    assert_eq!(answer.json(), json!({"submit-503": 1.0, "missing": 0.05}));
    assert_eq!(upstream.status("Rain").await, 503);
    assert_eq!(put(r#"{"explode": 1}"#).await.status, 400);
    assert_eq!(
        upstream.get("/simulator/faults").await,
        json!({"submit-503": 1.0, "missing": 0.05})
    );
    assert_eq!(put("{}").await.json(), json!({}));
    upstream.accepted("Rain").await;
}

#[tokio::test]
async fn the_key_can_be_replaced_and_taken_away() {
    let upstream = Upstream::with(Options {
        key: Some(KEY.into()),
        ..quick()
    })
    .await;
    upstream.accepted("Rain").await;
    let put = async |body: &str| {
        let put = upstream.call(Method::PUT, "/simulator/key", body.to_owned());
        put.await.unwrap().status.as_u16()
    };
    assert_eq!(put(r#"{"key": "another"}"#).await, 200);
    assert_eq!(upstream.status("Rain").await, 401);
    assert_eq!(put(r#"{"key": ""}"#).await, 400);
    assert_eq!(put("{}").await, 200);
    upstream.accepted("Rain").await;
}

#[tokio::test]
async fn tasks_are_ended_by_title_by_id_or_all() {
    let upstream = Upstream::start().await;
    let mut ids = Vec::new();
    for title in ["A", "B", "C", "D sim:stuck"] {
        ids.push(upstream.accepted(title).await);
    }
    let finish = async |body| upstream.post_json("/simulator/finish", body).await;
    assert_eq!(finish(json!({"title": "A"})).await, json!({"finished": 1}));
    assert_eq!(
        finish(json!({"task_ids": [ids[1]], "fail": true})).await,
        json!({"finished": 1})
    );
    assert_eq!(
        finish(json!({"titel": "C"})).await["code"],
        "invalid_request"
    );
    assert_eq!(finish(json!({})).await, json!({"finished": 2}));
    let listed = upstream.get("/simulator/tasks").await;
    let statuses: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["status"])
        .collect();
    assert_eq!(statuses, ["SUCCESS", "FAILURE", "SUCCESS", "SUCCESS"]);
    let one = upstream.get("/simulator/tasks?title=B").await;
    assert_eq!(
        (one.as_array().unwrap().len(), &one[0]["task_id"]),
        (1, &json!(ids[1]))
    );
}

#[tokio::test]
async fn an_upstream_can_lose_its_tasks() {
    let upstream = Upstream::start().await;
    let (lost, kept) = (upstream.accepted("A").await, upstream.accepted("B").await);
    let forget = json!({"title": "A"});
    let answer = upstream.post_json("/simulator/forget", forget).await;
    assert_eq!(answer, json!({"forgotten": 1}));
    assert_eq!(upstream.tasks(&[&lost, &kept]).await.len(), 1);
    assert_eq!(upstream.counts().submits.accepted, 2, "counters stay");
}

#[tokio::test]
async fn finished_tasks_are_forgotten_in_time_and_unfinished_ones_are_not() {
    let upstream = Upstream::with(Options {
        keep: Duration::ZERO,
        ..quick()
    })
    .await;
    let running = upstream.accepted("Running").await;
    for n in 0..20 {
        upstream.accepted(&format!("Song {n} sim:takes=0")).await;
    }
    let known = upstream.counts().tasks.values().sum::<u64>();
    assert!(known < 10, "{known}");
    upstream.task(&running).await;
}

#[tokio::test]
async fn the_most_requests_open_at_once_are_counted() {
    let upstream = Upstream::start().await;
    {
        let hanging = || upstream.submit("Rain sim:hang-before");
        tokio::select! {
            _ = hanging() => unreachable!("it hangs"),
            _ = hanging() => unreachable!("it hangs"),
            () = upstream.until(|counts| counts.open == 2) => {}
        }
    }
    upstream.until(|counts| counts.open == 0).await;
    assert_eq!(upstream.counts().most_open, 2);
}

#[tokio::test]
async fn it_stops_although_requests_hang() {
    let upstream = Upstream::start().await;
    let address = upstream.simulator.addr();
    let hanging = tokio::spawn(crate::upstream::call(
        address,
        Method::POST,
        "/suno/submit/lyrics",
        r#"{"prompt":"sim:hang-before"}"#.to_owned(),
    ));
    upstream.until(|counts| counts.open == 1).await;
    upstream.simulator.shutdown().await;
    assert!(hanging.await.unwrap().is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
