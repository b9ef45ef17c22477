//! The platform `fal`: music of several models, and what its upstreams do wrong.

use e2e::{on_both, setup};
use harness::client::{Answer, Client};
use harness::cluster::{Cluster, QUICK};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{failure, lives, success};

const PRICE: i64 = 1_000;

pub fn scenarios() -> Vec<Trial> {
    let setup = setup()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .channel(&["--platform", "fal"]);
    let made = on_both("music of models of fal", &setup, music_of_models);
    let wrong = on_both("faults of upstreams of fal", &setup, what_goes_wrong);
    made.into_iter().chain(wrong).collect()
}

async fn with_prices(cluster: &Cluster) -> Client {
    cluster.operator().set_price("fal", "song", PRICE).await;
    cluster.user("ann", 100 * PRICE).await
}

async fn submit(user: &Client, input: Value) -> Answer {
    let task = json!({"platform": "fal", "action": "music", "input": input});
    user.send(user.post("/v1/tasks").json(&task)).await
}

async fn music_of_models(cluster: &Cluster) {
    let user = with_prices(cluster).await;
    let models = [
        "fal-ai/ace-step",
        "fal-ai/minimax-music/v2",
        "fal-ai/lyria2",
    ];
    for model in models {
        let title = format!("Rain of {model}");
        let input = json!({"model": model, "prompt": "rain", "tags": "folk", "duration": 60, "title": title});
        let task = submit(&user, input).await.task_id();
        let made = success(&user, &task).await;
        let clips = made["data"].as_array().expect("they are clips");
        assert!(!clips.is_empty(), "{made}");
        for clip in clips {
            assert_eq!(clip["status"], "complete", "{made}");
            let audio = clip["audio_url"].as_str().unwrap_or_default();
            assert!(audio.starts_with("https://"), "{made}");
            assert!(clip["metadata"]["duration"].is_number(), "{made}");
            assert_eq!(clip["raw"]["seed"], 7, "{made}");
        }
        let mut accepted = 0;
        for upstream in cluster.channels.iter().map(|channel| &channel.upstream) {
            let submits = upstream.submits(&title).await;
            if submits["accepted"] == 1 {
                accepted += 1;
                let sent = &submits["latest"][0]["body"];
                assert_eq!(sent["duration"], 60, "{sent}");
                assert_eq!(sent.get("model"), None, "{sent}");
            }
        }
        assert_eq!(accepted, 1, "{title}");
    }
    let without = submit(&user, json!({"prompt": "rain"})).await;
    assert_eq!(without.status, 400);
    let elsewhere = json!({"model": "fal-ai/../admin", "prompt": "rain"});
    let elsewhere = submit(&user, elsewhere).await.task_id();
    let reason = failure(&user, &elsewhere).await;
    assert!(reason.contains("`model` must"), "{reason}");
    let spent = PRICE * i64::try_from(models.len()).expect("they are few");
    assert_eq!(cluster.quota("ann").await, (100 * PRICE - spent, spent));
}

async fn what_goes_wrong(cluster: &Cluster) {
    let user = with_prices(cluster).await;
    let music = async |faults: &str| {
        let title = format!("Rain {faults}");
        let input = json!({"model": "fal-ai/ace-step", "prompt": "rain", "title": title});
        submit(&user, input).await.task_id()
    };
    let well = [
        "sim:429x1",
        "sim:503x1",
        "sim:fetch-429x1",
        "sim:fetch-503x1",
        "sim:fetch-tornx1",
        "sim:fetch-htmlx1",
        "sim:fetch-garbagex1",
        "sim:fetch-emptyx1",
        "sim:fetch-nullx1",
        "sim:fetch-hugex1",
        "sim:missingx2",
        "sim:weird-statusx1",
        "sim:empty-statusx1",
        "sim:backwards",
        "sim:early-reasonx1",
        "sim:malformedx1",
        "sim:raw-text",
        "sim:not-a-number",
        "sim:text-data",
        "sim:lower-case",
        "sim:large-data",
    ];
    let failing = [
        ("sim:refuse sim:leak", "refused by moderation"),
        ("sim:fail", "the model gave up"),
        ("sim:fail sim:clip-reason", "the model gave up"),
        // The vendor's id is a part of the name that we have for the task.
        ("sim:fail sim:leak", "key …, task …)"),
        ("sim:deep-data", "deeper than 64 levels"),
        ("sim:drop-after", "not known whether"),
        ("sim:no-id", "not known whether"),
    ];
    let made = lives(&user, music, &well, &failing).await;
    let spent = PRICE * made;
    assert_eq!(cluster.quota("ann").await, (100 * PRICE - spent, spent));
}
