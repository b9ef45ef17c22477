//! Everything that the platform `suno` makes beside songs and lyrics, and one path for every platform.

use e2e::{on_both, setup};
use harness::client::{Answer, Client, SONG};
use harness::cluster::{Cluster, QUICK};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{failure, success};

/// The price of everything but songs here.
const PRICE: i64 = 700;
/// All actions of the platform.
const ACTIONS: &str = "song,lyrics,concat,upload,persona,stems,wav,mp4,timing";
/// An address that is public and that nobody opens.
const AUDIO: &str = "https://93.184.216.34";

pub fn scenarios() -> Vec<Trial> {
    let two = setup().upstreams(&[("first", &QUICK), ("second", &QUICK)]);
    let two = two.channel(&["--actions", ACTIONS]);
    [
        on_both(
            "what is made of clips is made where they were",
            &two,
            of_clips,
        ),
        on_both("uploads, and addresses that nobody may open", &two, uploads),
        on_both(
            "files of clips at an upstream in trouble",
            &two,
            files_in_trouble,
        ),
        on_both("one path for every platform", &two, one_path),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Sets a price of everything that is not sold at first.
async fn sell(cluster: &Cluster) {
    for action in ACTIONS.split(',').skip(2) {
        cluster.operator().set_price("suno", action, PRICE).await;
    }
}

fn code(answer: &Answer) -> &str {
    answer.json["code"].as_str().unwrap_or_default()
}

async fn made(user: &Client, action: &str, body: Value) -> Value {
    let task = user.submit(action, &body).await.task_id();
    let task = success(user, &task).await;
    assert_eq!(task["action"], action.to_ascii_uppercase(), "{task}");
    task["data"].clone()
}

async fn of_clips(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    let unsold = user.submit("stems", &json!({"clip_id": "c"})).await;
    assert_eq!((unsold.status, code(&unsold)), (400, "task_not_exist"));
    let song = user.song("Rain on Tin").await;
    let clips = success(&user, &song).await["data"].clone();
    let clip = clips[0]["id"]
        .as_str()
        .expect("a clip has an id")
        .to_owned();
    let unsold = user.submit("stems", &json!({"clip_id": clip})).await;
    assert_eq!(
        (unsold.status, code(&unsold)),
        (503, "no_available_channel")
    );
    sell(cluster).await;
    // Each comes several times: by chance alone, not all would reach the channel that made the clip.
    for number in 0..3 {
        let title = format!("Joined {number}");
        let joined = json!({"clip_id": clip, "is_infill": false, "title": title});
        let data = made(&user, "concat", joined).await;
        assert_eq!(data[0]["status"], "complete", "{data}");
        let stems = json!({"clip_id": clip, "title": format!("Stems {number}")});
        assert!(made(&user, "stems", stems).await.is_array());
        let name = format!("Ann {number}");
        let persona = json!({"root_clip_id": clip, "name": name, "clips": [clip, clips[1]["id"]]});
        let persona = made(&user, "persona", persona).await;
        assert!(
            persona["id"].is_string() && persona["name"] == name.as_str(),
            "{persona}"
        );
        let by_ann = json!({"task": "artist_consistency", "persona_id": persona["id"],
                          "artist_clip_id": clip, "title": format!("By {name}"), "mv": "chirp-v4-tau"});
        user.submit("music", &by_ann).await.task_id();
    }
    // Both are asked about in one poll.
    let mut files = Vec::new();
    for action in ["wav", "mp4"] {
        let task = user.submit(action, &json!({"clip_id": clip})).await;
        files.push((action, task.task_id()));
    }
    for (action, task) in files {
        let data = success(&user, &task).await["data"].clone();
        assert_eq!(data, format!("https://cdn.suno.example/{clip}.{action}"));
    }
    let timing = made(&user, "timing", json!({"clip_id": clip})).await;
    assert!(timing["aligned_words"][0]["word"].is_string(), "{timing}");

    let mut makers = 0;
    for upstream in cluster.channels.iter().map(|channel| &channel.upstream) {
        let made_here = upstream.submits("Rain on Tin").await["accepted"] == 1;
        makers += u32::from(made_here);
        for number in 0..3 {
            let sent = upstream.submits(&format!("Joined {number}")).await;
            assert_eq!(sent["accepted"], i32::from(made_here), "{sent}");
        }
    }
    assert_eq!(makers, 1);
    let stranger = cluster.user("bob", 10 * SONG).await;
    // A task of one's own opens nobody else's clips.
    let own = stranger.song("By Bob").await;
    success(&stranger, &own).await;
    for action in ["concat", "stems", "wav"] {
        let both = json!({"task_id": own, "clip_id": clip});
        let refused = stranger.submit(action, &both).await;
        assert_eq!((refused.status, code(&refused)), (400, "task_not_exist"));
    }
    for action in ["concat", "stems", "wav", "mp4", "timing"] {
        let refused = stranger.submit(action, &json!({"clip_id": clip})).await;
        assert_eq!((refused.status, code(&refused)), (400, "task_not_exist"));
        let refused = user.submit(action, &json!({"title": "of nothing"})).await;
        assert_eq!((refused.status, code(&refused)), (400, "invalid_request"));
    }
    let persona = json!({"root_clip_id": clips[0]["id"], "name": "x", "clips": ["nobody's"]});
    let refused = user.submit("persona", &persona).await;
    assert_eq!((refused.status, code(&refused)), (400, "task_not_exist"));
    assert_eq!(cluster.quota("bob").await, (9 * SONG, SONG));
}

async fn uploads(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    sell(cluster).await;
    for name in ["task.mp3", "at-once.mp3", "is-clip.mp3"] {
        let data = made(&user, "upload", json!({"url": format!("{AUDIO}/{name}")})).await;
        let clip = data[0]["id"].as_str().expect("an upload is a clip");
        assert_eq!(data[0]["status"], "complete", "{data}");
        let more = json!({"task": "upload_extend", "continue_clip_id": clip, "continue_at": 3,
                          "prompt": "[Outro]", "title": format!("On {name}")});
        let more = user.submit("music", &more).await.task_id();
        success(&user, &more).await;
    }
    let before = cluster.quota("ann").await;
    for (url, word) in [
        (json!("http://93.184.216.34/a.mp3"), "应以 https:// 开头"),
        (json!("https://127.0.0.1/a.mp3"), "公网地址"),
        (json!("https://[::ffff:10.0.0.1]/a.mp3"), "公网地址"),
        (json!("https://169.254.169.254/latest"), "公网地址"),
        (json!("https://nobody.invalid/a.mp3"), "无法解析"),
        (json!("https://93.184.216.34:22/a.mp3"), "端口"),
        (json!("a.mp3"), "网址"),
        (json!(7), "字符串"),
        (json!(null), "非空的 url"),
    ] {
        let refused = user.submit("upload", &json!({ "url": url })).await;
        assert_eq!(
            (refused.status, code(&refused)),
            (400, "invalid_request"),
            "{url}"
        );
        let message = refused.json["message"].as_str().unwrap_or_default();
        assert!(message.contains(word), "{url}: {message}");
    }
    assert_eq!(cluster.quota("ann").await, before, "nothing was taken");
}

async fn files_in_trouble(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    sell(cluster).await;
    let song = user.song("Rain on Tin").await;
    let clips = success(&user, &song).await["data"].clone();
    for channel in &cluster.channels {
        channel
            .upstream
            .set_faults(
                json!({"fetch-429": 0.2, "fetch-502": 0.2, "fetch-drop": 0.2, "fetch-null": 0.1}),
            )
            .await;
    }
    let mut tasks = Vec::new();
    for clip in clips.as_array().expect("a song has clips") {
        for action in ["wav", "mp4", "timing"] {
            tasks.push(
                user.submit(action, &json!({"clip_id": clip["id"]}))
                    .await
                    .task_id(),
            );
        }
    }
    for channel in &cluster.channels {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        channel.upstream.set_faults(json!({})).await;
    }
    for task in &tasks {
        success(&user, task).await;
    }
    let files = i64::try_from(tasks.len()).expect("they are few");
    let spent = SONG + files * PRICE;
    assert_eq!(cluster.quota("ann").await, (20 * SONG - spent, spent));
}

async fn one_path(cluster: &Cluster) {
    let user = cluster.user("ann", 20 * SONG).await;
    let post =
        async |body: Value| -> Answer { user.send(user.post("/v1/tasks").json(&body)).await };
    let song =
        json!({"platform": "suno", "action": "music", "input": {"title": "T", "prompt": "p"}});
    let task = post(song.clone()).await.task_id();
    success(&user, &task).await;
    let fetched = user.get_by_key(&format!("/v1/tasks/{task}")).await;
    assert_eq!(fetched.json["data"]["action"], "MUSIC", "{}", fetched.json);
    assert_eq!(fetched.json["data"]["status"], "SUCCESS");
    let known = user.get_by_key("/v1/tasks/task_nobody").await;
    assert_eq!((known.status, code(&known)), (400, "task_not_exist"));
    let failing =
        json!({"platform": "suno", "action": "lyrics", "input": {"prompt": "x sim:fail"}});
    failure(&user, &post(failing).await.task_id()).await;
    for (name, value, reason) in [
        ("platform", json!("napster"), "invalid_request"),
        ("action", json!("dance"), "invalid_action"),
        ("input", json!([]), "invalid_request"),
        ("input", json!({}), "invalid_request"),
        (
            "notify_hook",
            json!("https://example.com"),
            "invalid_request",
        ),
    ] {
        let mut body = song.clone();
        body[name] = value;
        let refused = post(body).await;
        assert_eq!((refused.status, code(&refused)), (400, reason), "{name}");
    }
    let nobody = user.post("/v1/tasks").bearer_auth("sk-wrong").json(&song);
    let refused = user.send(nobody).await;
    assert_eq!((refused.status, code(&refused)), (401, "invalid_token"));
    assert_eq!(cluster.quota("ann").await, (19 * SONG, SONG));
}
