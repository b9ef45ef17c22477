//! What the task center is for.

use std::time::UNIX_EPOCH;

use e2e::{on_both, setup};
use harness::client::{Client, LYRICS, SONG};
use harness::cluster::{Cluster, QUICK};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{fields, success};

pub fn scenarios() -> Vec<Trial> {
    let two = setup().upstreams(&[("first", &QUICK), ("second", &QUICK)]);
    vec![
        on_both(
            "a song succeeds with its clips and is listed as documented",
            &setup(),
            song,
        ),
        on_both("lyrics succeed with their text", &setup(), lyrics),
        on_both(
            "a song succeeds however little of it a client orders",
            &setup(),
            little_ordered,
        ),
        on_both(
            "a continuation goes to the channel of its song under the upstream's id",
            &two,
            continuation,
        ),
    ]
    .into_flattened()
}

async fn song(cluster: &Cluster) {
    let user = cluster.user("ann", 1_000_000).await;
    let (other, admin) = (cluster.user("bob", 0).await, cluster.admin("root").await);
    let before = now();
    let body = json!({"title": "Rain on Tin", "tags": "folk", "prompt": "[Verse]\nRain",
                      "newer_than_us": {"a": [1, 2.50]}});
    let id = user.submit("MUSIC", &body).await.task_id();
    let fetched = success(&user, &id).await;
    let times = before..=now();

    assert_eq!(
        fields(&fetched),
        "action data fail_reason finish_time progress start_time status submit_time task_id"
    );
    assert_eq!(fetched["action"], "MUSIC");
    assert_eq!(
        fetched,
        user.task(&id).await,
        "one or many: the same answer"
    );
    let clips = fetched["data"].as_array().expect("a song's data are clips");
    assert_eq!(clips.len(), 2, "{fetched}");
    for clip in clips {
        assert_eq!(clip["status"], "complete");
        assert_eq!(clip["title"], "Rain on Tin");
        let audio = clip["audio_url"].as_str().unwrap_or_default();
        assert!(audio.starts_with("https://"), "{clip}");
    }

    let listed = listed_as_documented(&user, &id).await;
    assert_eq!(listed["data"], fetched["data"]);
    for time in "created_at updated_at submit_time start_time finish_time".split(' ') {
        let moment = listed[time].as_i64().expect("a time is a number");
        assert!(
            times.contains(&moment),
            "{time} is {moment}, not in {times:?}"
        );
    }
    listed_for_administrators(&admin, &user, &listed).await;
    filters_hold(&user, &listed).await;
    nobody_elses_business(&other, &id).await;

    let submits = cluster.upstream().submits("Rain on Tin").await;
    let sent = &submits["latest"][0]["body"];
    assert_eq!(sent["mv"], "chirp-v3-0", "{sent}");
    assert_eq!(sent["newer_than_us"], body["newer_than_us"], "{sent}");
    assert_eq!(cluster.quota("ann").await, (1_000_000 - SONG, SONG));
}

/// Checks every field of `/api/task/self` but the times and the result; returns the item.
async fn listed_as_documented(user: &Client, id: &str) -> Value {
    let page = user
        .page("/api/task/self?p=1&page_size=20&status=&action=")
        .await;
    assert_eq!(fields(&page), "items page page_size total");
    let numbers = [&page["total"], &page["page"], &page["page_size"]];
    assert_eq!(numbers, [1, 1, 20]);
    let item = &page["items"][0];
    assert_eq!(
        fields(item),
        "action created_at data fail_reason finish_time id platform progress properties quota \
         start_time status submit_time task_id updated_at user_id"
    );
    assert!(item["id"].is_i64());
    for (field, expected) in [
        ("task_id", json!(id)),
        ("platform", json!("suno")),
        ("user_id", json!(user.id)),
        ("quota", json!(SONG)),
        ("action", json!("song")),
        ("status", json!("SUCCESS")),
        ("fail_reason", json!("")),
        ("progress", json!("100%")),
        ("properties", json!({"input": "[Verse]\nRain"})),
    ] {
        assert_eq!(item[field], expected, "{field}");
    }
    item.clone()
}

/// Everything that the user sees, and `channel_id` and `username`.
async fn listed_for_administrators(admin: &Client, user: &Client, listed: &Value) {
    for path in ["/api/task/", "/api/task"] {
        let page = admin
            .page(&format!("{path}?channel_id=1&user_id={}", user.id))
            .await;
        let mut expected = listed.clone();
        expected["channel_id"] = json!(1);
        expected["username"] = json!("ann");
        assert_eq!(page["items"], json!([expected]));
    }
    for nobody in ["channel_id=2", "user_id=999"] {
        let page = admin.page(&format!("/api/task/?{nobody}")).await;
        assert_eq!(page["total"], 0, "{nobody}");
    }
}

async fn filters_hold(user: &Client, listed: &Value) {
    let submitted = listed["submit_time"].as_i64().expect("a time is a number");
    let (early, late) = (submitted - 1, submitted + 1);
    for (query, total) in [
        ("status=SUCCESS".to_owned(), 1),
        ("status=FAILURE".to_owned(), 0),
        ("platform=suno&action=song".to_owned(), 1),
        ("action=music".to_owned(), 1),
        ("action=lyrics".to_owned(), 0),
        ("task_id=task_x".to_owned(), 0),
        (
            format!("start_timestamp={submitted}&end_timestamp={submitted}"),
            1,
        ),
        (format!("end_timestamp={early}"), 0),
        (format!("start_timestamp={late}"), 0),
    ] {
        let page = user.page(&format!("/api/task/self?{query}")).await;
        assert_eq!(page["total"], total, "{query}");
    }
    let page = user.page("/api/task/self/?p=7&page_size=500").await;
    assert_eq!(page["items"], json!([]), "past the end");
    assert_eq!(
        [&page["total"], &page["page"], &page["page_size"]],
        [1, 7, 100]
    );
    let refused = user.get_by_token("/api/task/self?status=DONE").await;
    assert_eq!(
        (refused.status, &refused.json["success"]),
        (400, &json!(false))
    );
}

async fn nobody_elses_business(other: &Client, id: &str) {
    assert_eq!(other.page("/api/task/self").await["total"], 0);
    assert_eq!(other.tasks(&[id.to_owned()]).await, Vec::<Value>::new());
    let fetched = other.get_by_key(&format!("/suno/fetch/{id}")).await;
    assert_eq!(fetched.status, 400);
    assert_eq!(fetched.json["code"], "task_not_exist");
    let refused = other.get_by_token("/api/task/").await;
    assert_eq!(
        (refused.status, &refused.json["success"]),
        (403, &json!(false))
    );
}

async fn lyrics(cluster: &Cluster) {
    let user = cluster.user("ann", 1_000_000).await;
    let id = user.lyrics("a lullaby for a robot").await;
    let task = success(&user, &id).await;
    assert_eq!(task["action"], "LYRICS");
    let text = task["data"]["text"].as_str().unwrap_or_default();
    assert!(!text.is_empty(), "{task}");
    let listed = user.listed(&id).await;
    assert_eq!(listed["action"], "lyrics");
    assert_eq!(
        listed["properties"],
        json!({"input": "a lullaby for a robot"})
    );
    assert_eq!(listed["data"], task["data"]);
    assert_eq!(listed["quota"], LYRICS);
    assert_eq!(cluster.quota("ann").await, (1_000_000 - LYRICS, LYRICS));
}

async fn little_ordered(cluster: &Cluster) {
    let user = cluster.user("ann", 1_000_000).await;
    for body in [
        json!({"prompt": "", "tags": "heavy metal", "title": "Beijing", "make_instrumental": true}),
        json!({"prompt": "", "tags": "lo-fi", "notify_hook": ""}),
        json!({"title": "Only a Title", "notify_hook": null}),
    ] {
        let id = user.submit("MUSIC", &body).await.task_id();
        success(&user, &id).await;
    }
}

async fn continuation(cluster: &Cluster) {
    let (user, other) = (
        cluster.user("ann", 10_000_000).await,
        cluster.user("bob", 10_000_000).await,
    );
    let first = user.song("First Half").await;
    let made = success(&user, &first).await;
    let mut maker = None;
    for upstream in cluster.channels.iter().map(|channel| &channel.upstream) {
        if let Some(task) = upstream.tasks("First Half").await.first() {
            maker = Some((upstream, task["task_id"].clone()));
        }
    }
    let (maker, upstream_id) = maker.expect("one of them made it");
    let more = |title: &str| {
        json!({"title": title, "prompt": "[Outro]", "continue_at": 42.5, "task_id": first,
               "continue_clip_id": made["data"][0]["id"]})
    };

    // Chance would send one of six to the other channel in 98 of 100 runs.
    for number in 0..6 {
        let title = format!("Second Half {number}");
        let id = user.submit("music", &more(&title)).await.task_id();
        success(&user, &id).await;
        let sent = maker.submits(&title).await;
        let body = &sent["latest"][0]["body"];
        assert_eq!(body["task_id"], upstream_id, "{sent}");
        assert_eq!(body["continue_clip_id"], made["data"][0]["id"], "{sent}");
    }
    // By the clip alone, and as a gateway in front of us sends it: with its own name of the task.
    for (number, task) in [Value::Null, json!("task_ofAnotherGatewayXXXXXXXXXXXXXXXXX")]
        .iter()
        .enumerate()
    {
        let title = format!("Third Half {number}");
        let mut body = more(&title);
        body["task_id"] = task.clone();
        let id = user.submit("music", &body).await.task_id();
        success(&user, &id).await;
        let sent = maker.submits(&title).await;
        assert_eq!(sent["latest"][0]["body"]["task_id"], upstream_id, "{sent}");
    }
    for task in [json!(first), Value::Null] {
        let mut body = more("Stolen Half");
        body["task_id"] = task;
        let not_theirs = other.submit("music", &body).await;
        assert_eq!(not_theirs.status, 400);
        assert_eq!(not_theirs.json["code"], "task_not_exist");
    }
    assert_eq!(cluster.quota("bob").await, (10_000_000, 0));
}

fn now() -> i64 {
    let since = UNIX_EPOCH.elapsed().expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("it is before the end of time")
}
