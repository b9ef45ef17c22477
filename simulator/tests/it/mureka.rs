//! The platform `mureka`, without faults and with all of them.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use suno_simulator::{Fault, Kind, Options, Span};

use crate::{
    fetch_faults,
    seen::{Seen, see},
    submit_faults,
    upstream::{Answer, KEY, Upstream, faults, quick},
};

const GENERATE: &str = "/v1/song/generate";

/// Submits a song with this title, which Mureka does not have: the simulator reads it all the same.
async fn song(upstream: &Upstream, title: &str) -> hyper::Result<Answer> {
    let song =
        json!({"title": title, "lyrics": "[Verse]\nRain", "prompt": "folk", "model": "mureka-7.5"});
    upstream.post(GENERATE, &song).await
}

async fn accepted(upstream: &Upstream, title: &str) -> String {
    let answer = song(upstream, title).await.expect("an answer").json();
    assert_eq!(answer["status"], "preparing", "{answer}");
    answer["id"].as_str().expect("an id").to_owned()
}

async fn query(upstream: &Upstream, id: &str) -> hyper::Result<Answer> {
    let path = format!("/v1/song/query/{id}");
    upstream.call(Method::GET, &path, String::new()).await
}

async fn task(upstream: &Upstream, id: &str) -> Value {
    let task = query(upstream, id).await.expect("an answer").json();
    assert_eq!(task["id"], id, "{task}");
    task
}

/// Mureka has one status for too many calls and for an empty account.
fn told(seen: Seen) -> Seen {
    match seen {
        Seen::Error(402) => Seen::Error(429),
        other => other,
    }
}

#[tokio::test]
async fn a_song_is_prepared_streams_and_is_there() {
    let upstream = Upstream::start().await;
    let id = accepted(&upstream, "Rain sim:takes=1000h").await;
    let begun = task(&upstream, &id).await;
    assert_eq!(begun["status"], "preparing");
    assert_eq!(begun["finished_at"], Value::Null);

    let id = accepted(&upstream, "Rain sim:takes=0 sim:stuck").await;
    let streaming = task(&upstream, &id).await;
    assert_eq!(streaming["status"], "streaming");
    let choice = &streaming["choices"][0];
    assert_eq!(choice["url"], Value::Null);
    assert!(choice["stream_url"].is_string(), "{choice}");

    let id = accepted(&upstream, "Rain sim:takes=0").await;
    let done = task(&upstream, &id).await;
    assert_eq!(done["status"], "succeeded");
    assert!(done["finished_at"].as_u64() >= done["created_at"].as_u64());
    let choices = done["choices"].as_array().expect("a list");
    assert_eq!(choices.len(), 2);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert!(choice["id"].is_string() && choice["url"] != choice["flac_url"]);
        assert!(choice["duration"].as_f64() > Some(10_000.0), "{choice}");
    }

    let id = accepted(&upstream, "Rain sim:takes=0 sim:fail").await;
    let failed = task(&upstream, &id).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["failed_reason"].is_string());
}

#[tokio::test]
async fn every_action_has_its_call() {
    let upstream = Upstream::start().await;
    for (path, body) in [
        ("/v1/instrumental/generate", json!({"prompt": "rain"})),
        ("/v1/instrumental/generate", json!({"instrumental_id": "7"})),
        (
            "/v1/song/extend",
            json!({"lyrics": "la", "song_id": "7", "extend_at": 8000}),
        ),
        (
            "/v1/song/extend",
            json!({"lyrics": "la", "upload_audio_id": "7"}),
        ),
    ] {
        let answer = upstream.post_json(path, body).await;
        let id = answer["id"].as_str().expect("an id");
        assert_eq!(task(&upstream, id).await["id"], id);
        let path = format!("/v1/instrumental/query/{id}");
        assert_eq!(upstream.get(&path).await["id"], id);
    }
    for (path, body) in [
        (GENERATE, json!({"prompt": "rain"})),
        (GENERATE, json!({"lyrics": ""})),
        ("/v1/instrumental/generate", json!({"lyrics": "la"})),
        ("/v1/song/extend", json!({"lyrics": "la"})),
        ("/v1/song/extend", json!({"song_id": "7"})),
        ("/v1/song/stem", json!({})),
        ("/v1/lyrics/generate", json!({"lyrics": "la"})),
    ] {
        let answer = upstream.post(path, &body).await.expect("an answer");
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    assert_eq!(query(&upstream, "7").await.expect("an answer").status, 404);
}

#[tokio::test]
async fn lyrics_and_stems_are_answered_with_the_result() {
    let upstream = Upstream::with(Options {
        song_time: Span::exactly(Duration::ZERO),
        lyrics_time: Span::exactly(Duration::ZERO),
        ..quick()
    })
    .await;
    let write = |prompt: &str| json!({"prompt": prompt});
    let path = "/v1/lyrics/generate";
    let lyrics = upstream.post_json(path, write("rain")).await;
    assert!(lyrics["title"].is_string() && lyrics["id"].is_null());
    let text = lyrics["lyrics"].as_str().expect("a text");
    assert!(text.contains("rain"), "{text}");
    let failed = upstream.post(path, &write("rain sim:fail")).await;
    assert_eq!(failed.expect("an answer").status, 400);
    let url = json!({"url": "https://a/1.mp3"});
    let stems = upstream.post_json("/v1/song/stem", url).await;
    let zip = stems["zip_url"].as_str().expect("an address");
    assert!(zip.starts_with("https://"), "{zip}");
    // What only comes once it is done has its place until then.
    let waiting = write("rain sim:takes=1h");
    let waiting = upstream.post(path, &waiting);
    let finish = async {
        upstream.until(|counts| counts.submits.accepted == 4).await;
        assert_eq!(upstream.simulator.finish_all(), 1);
    };
    let (answer, ()) = tokio::join!(waiting, finish);
    assert!(answer.expect("an answer").json()["lyrics"].is_string());
}

#[tokio::test]
async fn every_fault_of_a_submit_shows_itself_and_accepts_what_it_says() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::Submit) {
        let before = upstream.counts().submits.accepted;
        let (first, accepted) = submit_faults::expected(fault);
        let title = format!("Rain on Tin sim:{fault}x1");
        for expected in [told(first), Seen::Success] {
            let seen = see(&upstream, song(&upstream, &title), &expected).await;
            assert_eq!(seen, expected, "{fault}");
        }
        let made = upstream.counts().submits.accepted - before;
        assert_eq!(made, accepted + 1, "{fault}");
    }
}

#[tokio::test]
async fn every_fault_of_a_submit_happens_to_lyrics_too() {
    let upstream = Upstream::with(Options {
        lyrics_time: Span::exactly(Duration::ZERO),
        ..quick()
    })
    .await;
    for fault in faults(Kind::Submit) {
        let (mut expected, _) = submit_faults::expected(fault);
        // A task that takes no time keeps nobody waiting.
        if fault == Fault::SubmitWait {
            expected = Seen::Success;
        }
        let lyrics = json!({"prompt": format!("rain sim:{fault}")});
        let answer = upstream.post("/v1/lyrics/generate", &lyrics);
        let expected = told(expected);
        assert_eq!(see(&upstream, answer, &expected).await, expected, "{fault}");
    }
}

#[tokio::test]
async fn every_fault_of_a_fetch_shows_itself() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::Fetch) {
        let id = accepted(&upstream, &format!("Rain sim:{fault}x1")).await;
        for expected in [told(fetch_faults::expected(fault)), Seen::Success] {
            let seen = see(&upstream, query(&upstream, &id), &expected).await;
            assert_eq!(seen, expected, "{fault}");
        }
    }
}

#[tokio::test]
async fn every_fault_of_a_task_shows_itself() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::FetchedTask) {
        let id = accepted(&upstream, &format!("Rain sim:takes=0 sim:{fault}")).await;
        let answer = query(&upstream, &id).await.expect("an answer");
        let text = answer.text();
        let shows = match fault {
            Fault::Missing | Fault::Batch404 => answer.status == 404,
            Fault::Unknown => text.contains(r#""status":"UNKNOWN""#),
            Fault::WeirdStatus => text.contains("PENDING_REVIEW"),
            Fault::EmptyStatus => text.contains(r#""status":"""#),
            Fault::EarlyReason => !text.contains(r#""failed_reason":"""#),
            Fault::NoData => text.contains(r#""choices":null"#),
            Fault::Malformed => text.contains(r#""created_at":"soon""#),
            Fault::RawText => serde_json::from_str::<Value>(&text).is_err(),
            Fault::NotANumber => text.contains("NaN"),
            Fault::TextData => text.contains(r#""choices":"["#),
            Fault::LowerCase => text.contains("SUCCEEDED"),
            Fault::DeepData => text.contains("[[[["),
            Fault::LargeData => text.len() > 1 << 20,
            // These show themselves at other moments of a task's life.
            Fault::Backwards | Fault::ClipReason | Fault::Twice => true,
            other => unreachable!("{other} is no fault of a task in an answer"),
        };
        assert!(shows, "{fault}: {}", &text[..text.len().min(500)]);
    }
    let failed = accepted(&upstream, "Rain sim:takes=0 sim:fail sim:clip-reason").await;
    let failed = task(&upstream, &failed).await;
    assert_ne!(failed["failed_reason"], "");
}

#[tokio::test]
async fn an_account_that_is_spent_is_told_by_words_alone() {
    let upstream = Upstream::start().await;
    let words = async |fault: &str| {
        let answer = song(&upstream, &format!("Rain sim:{fault}")).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 429);
        answer.json()["error"]["message"].to_string()
    };
    assert!(words("402").await.contains("quota"));
    assert!(!words("429").await.contains("quota"));
    let leak = song(&upstream, "Rain sim:leak sim:refuse").await;
    let leak = leak.expect("an answer").text();
    assert!(
        leak.contains(KEY) && leak.contains(&upstream.simulator.base_url()),
        "{leak}"
    );
}

#[tokio::test]
async fn the_account_tells_how_many_places_there_are() {
    let path = "/v1/account/billing";
    let upstream = Upstream::start().await;
    let account = upstream.get(path).await;
    assert!(account["balance"].is_number() && account["concurrent_request_limit"].is_null());
    let places = Upstream::with(Options {
        places: Some(3),
        ..quick()
    })
    .await;
    assert_eq!(places.get(path).await["concurrent_request_limit"], 3);
    let locked = Upstream::with(Options {
        key: Some("another".into()),
        ..quick()
    })
    .await;
    let refused = locked.call(Method::GET, path, String::new()).await;
    let refused = refused.expect("an answer");
    assert_eq!(refused.status, 401);
    assert!(refused.json()["error"]["message"].is_string());
}
