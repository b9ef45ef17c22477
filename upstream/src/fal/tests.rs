//! The calls, at a server that answers as told.

use std::sync::Arc;

use shared::clock::SystemClock;
use shared::secret::Secret;
use shared::store::channels::NewChannel;
use shared::task::{ChannelId, Status, TaskId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// A channel whose server answers the calls in turn, each on a connection of its own, and what the server got. An empty
/// answer never comes.
async fn channel(answers: Vec<(u16, String)>) -> (Channel, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (got, gets) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for (status, body) in answers {
            let Ok((mut socket, _)) = listener.accept().await else {
                return;
            };
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap_or_default();
            let _ = got.send(String::from_utf8_lossy(&request[..length]).into_owned());
            if body.is_empty() {
                silent.push(socket);
                continue;
            }
            let body = body.replace("HOST", &address.to_string());
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let key = Secret::new("a-secret-key");
    // What the vendor says is called from the root of the host.
    let base_url = format!("http://{address}/prefix");
    let new = NewChannel::new("a", Platform::FAL, base_url, key);
    (new.with_id(ChannelId(1)), gets)
}

fn fal() -> Fal {
    let short = Duration::from_millis(500);
    let http = Http::new(short, short, Arc::new(SystemClock));
    Fal::new(http.expect("the client is made"))
}

fn asked() -> Asked {
    Asked::new("r-1 /x/r-1/status?y=1 /x/r-1 /x/r-1/cancel", Action::SONG)
}

#[tokio::test]
async fn a_task_is_submitted_asked_for_and_cancelled_where_the_vendor_says() {
    let accepted = r#"{"request_id":"r-1","status_url":"http://HOST/x/r-1/status?y=1",
        "response_url":"http://HOST/x/r-1","cancel_url":"http://HOST/x/r-1/cancel"}"#;
    let answers = [
        (200, accepted),
        (202, r#"{"status":"IN_QUEUE"}"#),
        (200, r#"{"status":"COMPLETED"}"#),
        (200, r#"{"audio":{"url":"https://a/1.mp3"}}"#),
        (202, r#"{"status":"CANCELLATION_REQUESTED"}"#),
        (404, r#"{"detail":"no such request"}"#),
    ];
    let answers = answers.map(|(status, body)| (status, body.to_owned()));
    let (channel, mut gets) = channel(answers.to_vec()).await;
    let mut got = async || gets.recv().await.expect("a call").to_ascii_lowercase();
    let fal = fal();
    let task: TaskId = "task_0123456789abcdefghijABCDEFGHIJ01"
        .parse()
        .expect("it is an id");
    let submission = Submission {
        task: &task,
        action: Action::SONG,
        request: r#"{"model":"fal-ai/x","prompt":"rain"}"#,
        hook: None,
    };
    match fal.submit(&channel, submission).await {
        SubmitOutcome::Accepted(id) => assert_eq!(id, asked().upstream_id),
        other => panic!("{other:?}"),
    }
    let submit = got().await;
    assert!(submit.starts_with("post /prefix/fal-ai/x http"), "{submit}");
    assert!(
        submit.contains("authorization: key a-secret-key"),
        "{submit}"
    );
    assert!(submit.ends_with(r#"{"prompt":"rain"}"#), "{submit}");

    for expected in [Status::Queued, Status::Success] {
        match fal.fetch(&channel, &[asked()]).await {
            FetchOutcome::Answered(known) => {
                assert_eq!(known[&asked().upstream_id].status, Some(expected));
            }
            other => panic!("{other:?}"),
        }
        assert!(got().await.starts_with("get /x/r-1/status?y=1 http"));
    }
    assert!(got().await.starts_with("get /x/r-1 http"));

    let cancelled = fal.cancel(&channel, &asked()).await;
    assert!(
        matches!(cancelled, CancelOutcome::AskedFor),
        "{cancelled:?}"
    );
    let cancel = got().await;
    assert!(cancel.starts_with("put /x/r-1/cancel http"), "{cancel}");
    assert!(cancel.contains("content-length: 0"), "{cancel}");

    assert!(fal.test(&channel).await.is_ok());
    let test = got().await;
    assert!(test.starts_with("get /prefix/fal-ai/"), "{test}");
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_without_a_call() {
    let (channel, mut gets) = channel(Vec::new()).await;
    let task: TaskId = "task_0123456789abcdefghijABCDEFGHIJ01"
        .parse()
        .expect("it is an id");
    let submission = Submission {
        task: &task,
        action: Action::SONG,
        request: r#"{"model":"fal-ai/../x","prompt":"rain"}"#,
        hook: None,
    };
    match fal().submit(&channel, submission).await {
        SubmitOutcome::Refused(refusal) => assert!(!refusal.is_no_such_path),
        other => panic!("{other:?}"),
    }
    let other = Asked::new("7c0d0c2e", Action::SONG);
    let fetched = fal().fetch(&channel, std::slice::from_ref(&other)).await;
    assert!(matches!(fetched, FetchOutcome::IdsRefused), "{fetched:?}");
    let cancelled = fal().cancel(&channel, &other).await;
    assert!(matches!(cancelled, CancelOutcome::NoSuchTask));
    let without = Asked::new("r-1 /s /r -", Action::SONG);
    let cancelled = fal().cancel(&channel, &without).await;
    assert!(matches!(cancelled, CancelOutcome::TooLate));
    assert!(gets.try_recv().is_err());
}

#[tokio::test]
async fn both_calls_of_a_fetch_take_no_longer_than_one_may() {
    let completed = (200, r#"{"status":"COMPLETED"}"#.to_owned());
    let (channel, _gets) = channel(vec![completed, (200, String::new())]).await;
    let began = tokio::time::Instant::now();
    match fal().fetch(&channel, &[asked()]).await {
        FetchOutcome::Failed(trouble) => assert_eq!(trouble.outcome, "broken"),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_millis(900));
}
