//! How many requests of one credential are under way at once.

use std::time::Duration;

use api::http::throttle::Bounds;
use harness::wait::eventually;
use shared::process::http::Timeouts;
use tokio::io::AsyncReadExt as _;

use super::{FETCH, OWN, app, too_many};
use crate::app::{SONG, unbounded};
use crate::serving::{rest, serve};

fn at_once(at_once: usize) -> Bounds {
    Bounds {
        at_once,
        ..unbounded()
    }
}

#[tokio::test]
async fn requests_of_one_key_that_are_under_way_fill_its_places_and_nobody_elses() {
    let (app, alice) = app(at_once(3)).await;
    let bob = app.user("bob").await;
    let serving = serve(app.router.clone(), Timeouts::default()).await;
    // Their bodies come later.
    let head = |key: &str| {
        format!(
            "POST /suno/submit/music HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            SONG.len()
        )
    };
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(serving.send(&head(&alice.key)).await);
    }
    let refused = eventually(Duration::from_secs(10), "a refusal", async || {
        let response = app.get(FETCH).key(&alice.key).send().await;
        (response.status == 429).then_some(response)
    })
    .await;
    assert_eq!(too_many(&refused), 1);
    let mut fourth = serving.send(&format!("{}{SONG}", head(&alice.key))).await;
    let answer = rest(&mut fourth).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    // The user's token and other keys, and others, have places of their own.
    let (second, _) = app.key(alice.id, None).await;
    assert_eq!(app.get(OWN).user(&alice).send().await.status, 200);
    for key in [&second, &bob.key] {
        let response = app.get(FETCH).key(key).send().await;
        assert_eq!(response.error(), "400 task_not_exist");
    }
    // One is answered, and one goes away: both places are free.
    let mut first = slow.remove(0);
    tokio::io::AsyncWriteExt::write_all(&mut first, SONG.as_bytes())
        .await
        .expect("it is sent");
    let mut answer = String::new();
    let read = first.read_to_string(&mut answer).await;
    read.expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(slow.remove(0));
    eventually(Duration::from_secs(10), "a free place", async || {
        let response = app.get(FETCH).key(&alice.key).send().await;
        (response.status == 400).then_some(())
    })
    .await;
    assert_eq!(app.audited_tasks().await, 1);
}

#[tokio::test]
async fn a_place_is_free_once_its_answer_is_taken_and_refusals_take_none() {
    let (app, alice) = app(at_once(1)).await;
    for _ in 0..20 {
        assert_eq!(app.get(OWN).user(&alice).send().await.status, 200);
        let refused = app.get(FETCH).key(&alice.key).send().await;
        assert_eq!(refused.error(), "400 task_not_exist");
        let wrong = app.get(FETCH).key("wrong").send().await;
        assert_eq!(wrong.status, 401);
    }
}
