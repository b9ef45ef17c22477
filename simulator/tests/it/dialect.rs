//! The dialect without faults.

use hyper::Method;
use serde_json::{Value, json};
use suno_simulator::{Key, Options};

use crate::upstream::{Upstream, quick};

/// Compares a task with a golden file, which names the values that differ between runs.
#[track_caller]
fn assert_golden(task: &Value, golden: &str) {
    let mut text = task
        .to_string()
        .replace(task["task_id"].as_str().unwrap(), "<task>");
    let clips = task["data"]
        .as_array()
        .map_or(std::slice::from_ref(&task["data"]), Vec::as_slice);
    for (n, clip) in clips.iter().enumerate() {
        text = text.replace(clip["id"].as_str().unwrap(), &format!("<clip {n}>"));
    }
    let mut task: Value = serde_json::from_str(&text).unwrap();
    for time in ["created_at", "submit_time", "start_time", "finish_time"] {
        if task[time].as_u64().unwrap() > 0 {
            task[time] = json!("<time>");
        }
    }
    for clip in task["data"].as_array_mut().into_iter().flatten() {
        if clip["metadata"]["duration"].is_f64() {
            clip["metadata"]["duration"] = json!("<seconds>");
        }
    }
    let golden: Value = serde_json::from_str(golden).unwrap();
    assert_eq!(task, golden, "\n{task:#}");
}

#[tokio::test]
async fn a_finished_song_is_printed_as_upstreams_print_it() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain on Tin sim:takes=0").await;
    assert_golden(&upstream.task(&id).await, include_str!("golden/song.json"));
}

#[tokio::test]
async fn a_streaming_song_is_printed_as_upstreams_print_it() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain on Tin sim:takes=0 sim:stuck").await;
    assert_golden(
        &upstream.task(&id).await,
        include_str!("golden/streaming.json"),
    );
}

#[tokio::test]
async fn a_failed_song_is_printed_as_upstreams_print_it() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain on Tin sim:takes=0 sim:fail").await;
    assert_golden(
        &upstream.task(&id).await,
        include_str!("golden/failed.json"),
    );
}

#[tokio::test]
async fn finished_lyrics_are_printed_as_upstreams_print_them() {
    let upstream = Upstream::start().await;
    let lyrics = json!({"prompt": "rain sim:takes=0"});
    let answer = upstream.post_json("/suno/submit/lyrics", lyrics).await;
    let task = upstream.task(answer["data"].as_str().unwrap()).await;
    assert_golden(&task, include_str!("golden/lyrics.json"));
}

#[tokio::test]
async fn a_new_task_has_neither_data_nor_times() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain sim:takes=1000h").await;
    let task = upstream.task(&id).await;
    let unfinished = ["NOT_START", "SUBMITTED"].contains(&task["status"].as_str().unwrap());
    assert!(
        unfinished && task["start_time"] == 0 && task["finish_time"] == 0,
        "{task}"
    );
}

#[tokio::test]
async fn a_fetch_leaves_out_what_it_does_not_know_and_repeats_nothing() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain").await;
    let unknown = "7c0d0c2e-6f0b-4a3e-9d1c-2f3a5b6c7d8e";
    let tasks = upstream.tasks(&[&id, unknown, "task_abc", &id]).await;
    assert_eq!(tasks.len(), 1);
    let none = upstream.fetch(&[]).await.unwrap().json();
    assert_eq!(none, json!({"code": "success", "message": "", "data": []}));
    let counts = upstream.counts().fetches;
    assert_eq!((counts.asked, counts.ids), (2, 4));
    assert_eq!((counts.unknown_ids, counts.most_ids), (2, 4));
}

#[tokio::test]
async fn one_task_can_be_fetched_by_its_id() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain").await;
    let known = upstream.get(&format!("/suno/fetch/{id}")).await;
    assert_eq!(known["data"]["task_id"], id.as_str());
    let unknown = upstream.get("/suno/fetch/nothing").await;
    assert_eq!(unknown["code"], "task_not_exist");
}

#[tokio::test]
async fn a_continuation_needs_a_known_task() {
    let upstream = Upstream::start().await;
    let id = upstream.accepted("Rain").await;
    let continuation = |task: &str| json!({"title": "Rain II", "continue_clip_id": "c", "continue_at": 60.5, "task_id": task});
    let known = upstream
        .post_json("/suno/submit/music", continuation(&id))
        .await;
    assert_eq!(known["code"], "success");
    let unknown = upstream
        .post("/suno/submit/music", &continuation("task_abc"))
        .await
        .unwrap();
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["code"]),
        (400, &json!("task_not_exist"))
    );
}

#[tokio::test]
async fn a_body_that_breaks_the_dialect_is_refused_and_makes_nothing() {
    let upstream = Upstream::start().await;
    let bad = [
        ("/suno/submit/music", "{"),
        ("/suno/submit/music", r#"{"mv":"chirp-v4","prompt":""}"#),
        ("/suno/submit/music", r#"{"prompt":["la"]}"#),
        ("/suno/submit/lyrics", r#"{"prompt":""}"#),
        ("/suno/fetch", r#"{"ids":[7]}"#),
        ("/suno/fetch", ""),
    ];
    for (path, body) in bad {
        let answer = upstream
            .call(Method::POST, path, body.to_owned())
            .await
            .unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &json!("invalid_request")),
            "{path} {body}"
        );
    }
    assert_eq!(upstream.status(&"long ".repeat(1_000_000)).await, 413);
    let get = upstream.call(Method::GET, "/suno/submit/music", String::new());
    assert_eq!(get.await.unwrap().status, 405);
    let film = upstream
        .post("/suno/submit/film", &json!({}))
        .await
        .unwrap();
    assert_eq!(film.status, 404);
    let counts = upstream.counts();
    assert_eq!((counts.invalid, counts.submits.asked), (9, 0));
}

#[tokio::test]
async fn a_key_is_required_under_suno_only() {
    let locked = Upstream::with(Options {
        key: Some(Key::from("another")),
        ..quick()
    })
    .await;
    let answer = locked.submit("Rain").await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (401, &json!("invalid_token"))
    );
    assert_eq!(locked.get("/simulator/counts").await["unauthorized"], 1);
    let open = Upstream::with(Options {
        key: Some(Key::from(crate::upstream::KEY)),
        ..quick()
    })
    .await;
    open.accepted("Rain").await;
}

#[tokio::test]
async fn the_upstreams_clock_can_be_wrong() {
    let ahead = Upstream::with(Options {
        skew: 86_400,
        ..quick()
    })
    .await;
    let right = Upstream::start().await;
    let time = async |upstream: &Upstream| {
        let id = upstream.accepted("Rain").await;
        upstream.task(&id).await["submit_time"].as_u64().unwrap()
    };
    let difference = time(&ahead).await - time(&right).await;
    assert!((86_390..=86_401).contains(&difference), "{difference}");
}
