//! The platform `fal`, without faults and with all of them.

use hyper::Method;
use serde_json::{Value, json};
use suno_simulator::{Fault, Key, Kind, Options};

use crate::{
    fetch_faults,
    seen::{Seen, see},
    submit_faults,
    upstream::{Answer, KEY, Upstream, faults, quick},
};

const MODEL: &str = "/fal-ai/ace-step/prompt-to-audio";

/// Submits music with this title, which most models do not have: the simulator reads it all the same.
async fn music(upstream: &Upstream, title: &str) -> hyper::Result<Answer> {
    let input = json!({"title": title, "prompt": "rain", "tags": "folk", "duration": 60});
    upstream.post(MODEL, &input).await
}

/// The paths of an accepted request: of its status, its result and its cancel.
async fn accepted(upstream: &Upstream, title: &str) -> [String; 3] {
    let answer = music(upstream, title).await.expect("an answer").json();
    assert_eq!(answer["status"], "IN_QUEUE", "{answer}");
    ["status_url", "response_url", "cancel_url"].map(|name| {
        let address = answer[name].as_str().expect("an address");
        assert!(!address.contains("ace-step"), "{address}");
        let path = address.strip_prefix(&upstream.simulator.base_url());
        path.expect("an address of the simulator").to_owned()
    })
}

async fn get(upstream: &Upstream, path: &str) -> (u16, Value) {
    let answer = upstream.call(Method::GET, path, String::new()).await;
    let answer = answer.expect("an answer");
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_request_waits_is_made_and_has_a_result() {
    let upstream = Upstream::start().await;
    let [status, response, _] = accepted(&upstream, "Rain sim:takes=1000h").await;
    let (code, told) = get(&upstream, &status).await;
    assert_eq!((code, &told["status"]), (202, &json!("IN_QUEUE")));
    assert_eq!(told["queue_position"], 0);
    let (code, told) = get(&upstream, &response).await;
    assert_eq!(code, 400, "{told}");
    assert_eq!(told["detail"], "Request is still in progress");

    let [status, ..] = accepted(&upstream, "Rain sim:takes=0 sim:stuck").await;
    let (code, told) = get(&upstream, &status).await;
    assert_eq!((code, &told["status"]), (202, &json!("IN_PROGRESS")));

    let [status, response, _] = accepted(&upstream, "Rain sim:takes=0").await;
    let (code, told) = get(&upstream, &status).await;
    assert_eq!((code, &told["status"]), (200, &json!("COMPLETED")));
    assert_eq!(told.get("error"), None);
    let (code, made) = get(&upstream, &response).await;
    assert_eq!(code, 200, "{made}");
    let audio = made["audio"][0]["url"].as_str().expect("an address");
    assert!(audio.starts_with("https://"), "{audio}");
    assert!(made["audio"][0]["duration"].is_number());

    let [status, response, _] = accepted(&upstream, "Rain sim:takes=0 sim:fail").await;
    let (code, told) = get(&upstream, &status).await;
    assert_eq!((code, &told["status"]), (200, &json!("COMPLETED")));
    assert!(told["error"].is_string(), "{told}");
    let (code, made) = get(&upstream, &response).await;
    assert_eq!(code, 422);
    assert_eq!(made["detail"][0]["msg"], told["error"]);

    // Some tell of a failure in the place of the result only.
    let [status, response, _] =
        accepted(&upstream, "Rain sim:takes=0 sim:fail sim:clip-reason").await;
    assert_eq!(get(&upstream, &status).await.1.get("error"), None);
    assert_eq!(get(&upstream, &response).await.0, 422);
}

#[tokio::test]
async fn a_cancel_stops_what_is_in_the_queue() {
    let upstream = Upstream::start().await;
    let put = async |path: &str| {
        let answer = upstream.call(Method::PUT, path, String::new()).await;
        let answer = answer.expect("an answer");
        (answer.status.as_u16(), answer.json()["status"].clone())
    };
    let [status, _, cancel] = accepted(&upstream, "Rain sim:takes=1000h").await;
    assert_eq!(put(&cancel).await, (202, json!("CANCELLATION_REQUESTED")));
    let (_, told) = get(&upstream, &status).await;
    assert_eq!(told["status"], "COMPLETED");
    assert_eq!(told["error"], "the request was cancelled");
    assert_eq!(put(&cancel).await, (400, json!("ALREADY_COMPLETED")));

    let [status, _, cancel] = accepted(&upstream, "Rain sim:takes=0 sim:stuck").await;
    assert_eq!(put(&cancel).await, (202, json!("CANCELLATION_REQUESTED")));
    assert_eq!(get(&upstream, &status).await.1["status"], "IN_PROGRESS");
    let nobodys = "/fal-ai/queue/requests/nobody/cancel";
    assert_eq!(put(nobodys).await, (404, json!("NOT_FOUND")));
}

#[tokio::test]
async fn what_is_not_there_is_detailed() {
    let upstream = Upstream::start().await;
    for path in [
        "/fal-ai/x/requests/nobody/status",
        "/fal-ai/x/requests/nobody",
        "/fal-ai/x",
        "/fal-ai/x/requests/nobody/status/stream",
    ] {
        let (code, told) = get(&upstream, path).await;
        assert_eq!(code, 404, "{path}");
        assert!(told["detail"].is_string(), "{path}: {told}");
    }
    for body in [json!({}), json!({"prompt": ""}), json!([])] {
        let answer = upstream.post(MODEL, &body).await.expect("an answer");
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].is_string());
    }
    let lyrics = upstream.post_json(MODEL, json!({"lyrics": "la"})).await;
    assert!(lyrics["request_id"].is_string(), "{lyrics}");
}

#[tokio::test]
async fn a_key_is_sent_in_a_scheme_of_its_own() {
    let locked = Upstream::with(Options {
        key: Some(Key::from(KEY)),
        ..quick()
    })
    .await;
    // The client of these tests sends a Bearer.
    let refused = music(&locked, "Rain").await.expect("an answer");
    assert_eq!(refused.status, 401);
    assert!(refused.json()["detail"].is_string());
    assert_eq!(locked.counts().unauthorized, 1);
}

#[tokio::test]
async fn every_fault_of_a_submit_shows_itself_and_accepts_what_it_says() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::Submit) {
        let before = upstream.counts().submits.accepted;
        let (first, accepted) = submit_faults::expected(fault);
        let title = format!("Rain on Tin sim:{fault}x1");
        for expected in [first, Seen::Success] {
            let seen = see(&upstream, music(&upstream, &title), &expected).await;
            assert_eq!(seen, expected, "{fault}");
        }
        let made = upstream.counts().submits.accepted - before;
        assert_eq!(made, accepted + 1, "{fault}");
    }
    let leak = music(&upstream, "Rain sim:leak sim:refuse").await;
    let leak = leak.expect("an answer").text();
    assert!(
        leak.contains(KEY) && leak.contains(&upstream.simulator.base_url()),
        "{leak}"
    );
}

#[tokio::test]
async fn every_fault_of_a_fetch_shows_itself_at_the_status_and_at_the_result() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::Fetch) {
        for (of_result, path) in [(false, 0), (true, 1)] {
            let title = format!("Rain sim:takes=0 sim:{fault}x1");
            let path = accepted(&upstream, &title).await[path].clone();
            let first = match fault {
                // These would end the task.
                Fault::Fetch404 | Fault::FetchCode if of_result => Seen::Success,
                Fault::FetchNull if of_result => {
                    assert_eq!(get(&upstream, &path).await, (200, Value::Null));
                    Seen::Success
                }
                _ => fetch_faults::expected(fault),
            };
            for expected in [first, Seen::Success] {
                let call = upstream.call(Method::GET, &path, String::new());
                let seen = see(&upstream, call, &expected).await;
                assert_eq!(seen, expected, "{fault} {path}");
            }
        }
    }
}

#[tokio::test]
async fn every_fault_of_a_task_shows_itself() {
    let upstream = Upstream::start().await;
    for fault in faults(Kind::FetchedTask) {
        let title = format!("Rain sim:takes=0 sim:{fault}");
        let [status, response, _] = accepted(&upstream, &title).await;
        let get = async |path: &str| {
            let answer = upstream.call(Method::GET, path, String::new()).await;
            answer.expect("an answer")
        };
        let (status, result) = (get(&status).await, get(&response).await);
        let (told, made) = (status.text(), result.text());
        assert_eq!(result.status, 200, "{fault}");
        let shows = match fault {
            Fault::Missing | Fault::Batch404 => status.status == 404,
            Fault::Unknown => told.contains(r#""status":"UNKNOWN""#),
            Fault::WeirdStatus => told.contains("PENDING_REVIEW"),
            Fault::EmptyStatus => told.contains(r#""status":"""#),
            Fault::Malformed => told.contains(r#""status":["IN_PROGRESS"]"#),
            Fault::LowerCase => told.contains("completed"),
            Fault::NoData => made.contains(r#""audio":null"#),
            Fault::RawText => serde_json::from_str::<Value>(&made).is_err(),
            Fault::NotANumber => made.contains("NaN"),
            Fault::TextData => made.contains(r#""audio":"["#),
            Fault::DeepData => made.contains("[[[["),
            Fault::LargeData => made.len() > 1 << 20,
            // These show themselves at other moments of a task's life.
            Fault::Backwards | Fault::ClipReason | Fault::Twice | Fault::EarlyReason => true,
            other => unreachable!("{other} is no fault of a task in an answer"),
        };
        assert!(shows, "{fault}: {told}");
        assert!(made.contains(r#""audio":"#), "{fault}");
    }
    let [status, ..] = accepted(&upstream, "Rain sim:takes=0 sim:stuck sim:early-reason").await;
    let (_, told) = get(&upstream, &status).await;
    assert_eq!(told["status"], "IN_PROGRESS");
    assert!(told["error"].is_string(), "{told}");
}
