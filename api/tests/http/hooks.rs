//! Calls of vendors (`docs/contract.md`, "Hooks of vendors").

use std::time::Duration;

use harness::wait::eventually;
use serde_json::json;
use shared::hook::Hook;
use shared::secret::Secret;
use shared::task::{ChannelId, End, Status};

use crate::app::{TestApp, TestUser};
use crate::client::TestResponse;

/// The address that the vendor of `channel` has of `task`.
fn address(channel: ChannelId, task: &str) -> String {
    let task = task.parse().expect("it is a task id");
    let hook = Hook { channel, task };
    hook.path(&Secret::new("upstream-key"))
        .expect("there is a key")
}

/// The app, its user `alice`, a song of hers, the channel that makes it, and the address of its hook.
async fn with_a_hook() -> (TestApp, TestUser, String, ChannelId, String) {
    let (app, alice) = TestApp::with_alice().await;
    let second = app.channel("second").await;
    let song = app.song(&alice).await;
    app.accept(&song, second, "upstream-1").await;
    let address = address(second, &song);
    (app, alice, song, second, address)
}

async fn call(app: &TestApp, address: &str) -> TestResponse {
    app.post(address).json("{}").send().await
}

/// Waits until the queues hold so many messages.
async fn queued(app: &TestApp, messages: u64) {
    let limit = Duration::from_secs(20);
    eventually(limit, "the messages", async || {
        (app.queued().await == messages).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_vendor_that_calls_makes_workers_look_at_the_task_now() {
    let (app, _, song, channel, address) = with_a_hook().await;
    let response = call(&app, &address).await;
    assert_eq!((response.status, response.text()), (200, "{}"));
    // The submit of the song, and one look.
    queued(&app, 2).await;
    let story = app.story(&song).await;
    let unfinished = story.unfinished.expect("it is being made");
    assert_eq!(unfinished.due_at, app.now().0);
    assert_eq!(
        story.events.last().map(|event| &*event.kind),
        Some("called")
    );
    // A task that ended is known, and not looked at.
    app.end(&song, channel, End::Success, Some("[]")).await;
    assert_eq!(call(&app, &address).await.status, 200);
}

#[tokio::test]
async fn a_call_during_a_look_is_followed_by_another_look() {
    let (app, _, song, channel, address) = with_a_hook().await;
    for _ in 0..20 {
        assert_eq!(call(&app, &address).await.status, 200);
    }
    queued(&app, 2).await;
    // That look finds nothing new; the next one is planned for later.
    app.progress(&song, channel, Status::InProgress, "[]").await;
    queued(&app, 3).await;
    // Nobody calls any more, so nothing follows.
    app.progress(&song, channel, Status::InProgress, "[]").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(app.queued().await, 3);
}

#[tokio::test]
async fn what_a_vendor_says_is_not_believed_and_may_be_anything() {
    let (app, alice, song, _, address) = with_a_hook().await;
    let lie = json!({"code": 500, "data": {"task_id": "upstream-1", "callbackType": "error", "data": []}});
    for body in [
        lie.to_string(),
        "{".to_owned(),
        String::new(),
        "x".repeat(3 << 20),
    ] {
        let request = app.post(&address).json(body);
        assert_eq!(request.send().await.status, 200);
    }
    let fetched = app.get(&format!("/suno/fetch/{song}")).key(&alice.key);
    let fetched = fetched.send().await.json();
    assert_eq!(fetched["data"]["status"], "SUBMITTED", "{fetched}");
}

#[tokio::test]
async fn an_address_that_we_did_not_give_is_unknown_and_changes_nothing() {
    let (app, _, song, channel, right) = with_a_hook().await;
    let main = ChannelId(channel.0 - 1);
    let last = right.chars().last();
    let other_digit = if last == Some('0') { "1" } else { "0" };
    let wrong_code = format!("{}{other_digit}", &right[..right.len() - 1]);
    let other_key = Hook {
        channel,
        task: song.parse().expect("it is a task id"),
    };
    for address in [
        wrong_code,
        other_key
            .path(&Secret::new("another-key"))
            .expect("there is a key"),
        right.replacen(&format!("/{channel}/"), &format!("/{main}/"), 1),
        right.replacen(&format!("/{channel}/"), "/99/", 1),
        right.replacen(&format!("/{channel}/"), "/x/", 1),
        format!("/hooks/{channel}/{song}"),
        format!("/hooks/{channel}/%ff"),
    ] {
        let response = call(&app, &address).await;
        assert_eq!(response.status, 404, "{address}");
    }
    let story = app.story(&song).await;
    assert_eq!(
        story.events.last().map(|event| &*event.kind),
        Some("accepted")
    );
    // A channel that does not make the task has hooks, but looks at nothing.
    assert_eq!(call(&app, &address(main, &song)).await.status, 200);
    // Nobody looks by a GET: a link that is followed changes nothing.
    assert_eq!(app.get(&right).send().await.status, 405);
    app.publisher.stop().await;
    assert_eq!(app.queued().await, 1);
}

#[tokio::test]
async fn who_guesses_addresses_is_slowed_down_and_vendors_are_not() {
    let (app, _, song, channel, right) = with_a_hook().await;
    let guess = Hook {
        channel,
        task: song.parse().expect("it is a task id"),
    };
    let guess = guess.path(&Secret::new("a guess")).expect("there is a key");
    let mut refused = Vec::new();
    for _ in 0..25 {
        let response = app.post(&guess).from("192.0.2.1").send().await;
        refused.push(response.status);
    }
    assert_eq!(refused.iter().filter(|status| **status == 404).count(), 20);
    assert_eq!(refused.last(), Some(&429));
    let good = app.post(&right).from("192.0.2.1").send().await;
    assert_eq!(good.status, 200);
}
