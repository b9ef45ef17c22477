//! `max-waiting`: how many tasks of a user may wait to be sent.

use shared::store::accounts::UserChange;

use super::app;
use crate::app::{SONG, TestApp, unbounded};

async fn set_max_waiting(app: &TestApp, name: &str, most: u32) {
    let change = UserChange {
        max_waiting: Some(most),
        ..UserChange::default()
    };
    let set = app.store.set_user(name, change).await;
    assert!(set.expect("the database works").is_some());
}

#[tokio::test]
async fn a_submit_above_max_waiting_is_429_takes_nothing_and_passes_once_a_task_was_sent() {
    let (app, alice) = app(unbounded()).await;
    let bob = app.user("bob").await;
    set_max_waiting(&app, "alice", 2).await;
    let keyed = || {
        let request = app.post("/suno/submit/music").key(&alice.key);
        request.header("idempotency-key", "k").json(SONG)
    };
    let first = keyed().send().await.submitted();
    app.song(&alice).await;
    let left = app.quota_of(&alice).await;
    for (accepted, words) in [("", "等待提交的任务过多"), ("en", "wait to be sent")] {
        let request = app.post("/suno/submit/lyrics").key(&alice.key);
        let request = request.header("accept-language", accepted);
        let refused = request.json(r#"{"prompt":"p"}"#).send().await;
        assert_eq!(refused.error(), "429 too_many_tasks");
        assert_eq!(refused.header("retry-after"), "5");
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    // Another key of the user is the same user; a repeat has its task; others are not concerned.
    let (second, _) = app.key(alice.id, None).await;
    let refused = app.try_submit(&second, "music", SONG).await;
    assert_eq!(refused.error(), "429 too_many_tasks");
    assert_eq!(keyed().send().await.submitted(), first);
    app.song(&bob).await;
    assert_eq!(app.quota_of(&alice).await, left);
    assert_eq!(app.audited_tasks().await, 3);

    let channel = app.channel("second").await;
    app.accept(&first, channel, "upstream").await;
    app.song(&alice).await;
    let refused = app.try_submit(&alice.key, "music", SONG).await;
    assert_eq!(refused.error(), "429 too_many_tasks");
    set_max_waiting(&app, "alice", 0).await;
    for _ in 0..5 {
        app.song(&alice).await;
    }
    app.audited_tasks().await;
}
