//! The platform `mureka`: every action, and what its upstreams do wrong.

use e2e::{on_both, setup};
use harness::client::{Answer, Client};
use harness::cluster::{Cluster, QUICK};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{failure, lives, success};

const PRICE: i64 = 1_000;
const ACTIONS: [&str; 5] = ["song", "instrumental", "extend", "stem", "lyrics"];

pub fn scenarios() -> Vec<Trial> {
    let setup = setup()
        .upstreams(&[("first", &QUICK), ("second", &QUICK)])
        .channel(&["--platform", "mureka"]);
    let made = on_both("every action of mureka", &setup, every_action);
    let wrong = on_both("faults of upstreams of mureka", &setup, what_goes_wrong);
    made.into_iter().chain(wrong).collect()
}

async fn with_prices(cluster: &Cluster) -> Client {
    for action in ACTIONS {
        cluster.operator().set_price("mureka", action, PRICE).await;
    }
    cluster.user("ann", 100 * PRICE).await
}

async fn submit(user: &Client, action: &str, input: Value) -> Answer {
    let task = json!({"platform": "mureka", "action": action, "input": input});
    user.send(user.post("/v1/tasks").json(&task)).await
}

async fn every_action(cluster: &Cluster) {
    let user = with_prices(cluster).await;
    let song = json!({"lyrics": "[Verse]\nRain", "prompt": "folk", "model": "mureka-7.5", "title": "Rain"});
    let song = submit(&user, "song", song).await.task_id();
    let blues = submit(&user, "instrumental", json!({"prompt": "a slow blues"})).await;
    let lyrics = submit(&user, "lyrics", json!({"prompt": "a lullaby"})).await;
    // A public address; the simulator does not open it.
    let url = json!({"url": "https://93.184.216.34/a.mp3"});
    let stem = submit(&user, "stem", url).await;
    let private = json!({"url": "https://127.0.0.1/a.mp3"});
    assert_eq!(submit(&user, "stem", private).await.status, 400);

    let lyrics = success(&user, &lyrics.task_id()).await;
    assert_eq!(lyrics["data"]["status"], "complete", "{lyrics}");
    let text = lyrics["data"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("a lullaby"), "{lyrics}");
    let stem = success(&user, &stem.task_id()).await;
    assert_eq!(stem["data"][0]["status"], "complete", "{stem}");
    let song = success(&user, &song).await;
    let blues = success(&user, &blues.task_id()).await;
    for made in [&song, &blues, &stem] {
        for clip in made["data"].as_array().expect("they are clips") {
            let audio = clip["audio_url"].as_str().unwrap_or_default();
            assert!(audio.starts_with("https://"), "{made}");
        }
    }
    assert!(song["data"][0]["metadata"]["duration"].is_number());

    let clip = &song["data"][0]["id"];
    for number in 0..4 {
        let title = format!("Rain {number}");
        let more = json!({"lyrics": "more", "song_id": clip, "extend_at": 8000, "title": title});
        let more = submit(&user, "extend", more).await.task_id();
        success(&user, &more).await;
    }
    let mut makers = 0;
    for upstream in cluster.channels.iter().map(|channel| &channel.upstream) {
        let made = upstream.submits("Rain").await["accepted"] == 1;
        makers += i32::from(made);
        for number in 0..4 {
            let more = upstream.submits(&format!("Rain {number}")).await;
            assert_eq!(
                more["accepted"],
                i32::from(made),
                "the maker goes on: {more}"
            );
        }
    }
    assert_eq!(makers, 1);
    let other = cluster.user("bob", 100 * PRICE).await;
    let stolen = json!({"lyrics": "more", "song_id": clip});
    assert_eq!(submit(&other, "extend", stolen).await.status, 400);
    let spent = 8 * PRICE;
    assert_eq!(cluster.quota("ann").await, (100 * PRICE - spent, spent));
}

async fn what_goes_wrong(cluster: &Cluster) {
    let user = with_prices(cluster).await;
    let song = async |faults: &str| {
        let song = json!({"lyrics": "la", "title": format!("Rain {faults}")});
        submit(&user, "song", song).await.task_id()
    };
    let well = [
        "sim:429x1",
        "sim:503x1",
        "sim:fetch-429x1",
        "sim:fetch-tornx1",
        "sim:fetch-htmlx1",
        "sim:fetch-garbagex1",
        "sim:fetch-emptyx1",
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
        ("sim:fail sim:leak", "the model gave up"),
        ("sim:deep-data", "deeper than 64 levels"),
        ("sim:drop-after", "not known whether"),
    ];
    let lyrics = json!({"prompt": "rain sim:fail sim:leak"});
    let lyrics = submit(&user, "lyrics", lyrics).await.task_id();
    failure(&user, &lyrics).await;
    let made = lives(&user, song, &well, &failing).await;
    let spent = PRICE * made;
    assert_eq!(cluster.quota("ann").await, (100 * PRICE - spent, spent));
}
