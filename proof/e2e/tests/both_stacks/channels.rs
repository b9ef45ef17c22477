//! What operators do to channels while tasks are under way.

use e2e::{on_both, setup};
use harness::client::{Client, SONG};
use harness::cluster::Cluster;
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::json;

use crate::{SOON, success};

pub fn scenarios() -> Vec<Trial> {
    vec![
        on_both(
            "a changed key is the one that tasks under way are polled with",
            &setup(),
            changed_key,
        ),
        on_both(
            "a channel is not deleted while an upstream has a task of it",
            &setup(),
            deletion,
        ),
    ]
    .into_flattened()
}

/// Waits until an upstream has the task.
async fn is_accepted(user: &Client, id: &str) {
    eventually(SOON, "the task to be accepted", async || {
        let task = user.task(id).await;
        (task["status"] != "NOT_START").then_some(())
    })
    .await;
}

async fn changed_key(cluster: &Cluster) {
    let user = cluster.user("ann", 3 * SONG).await;
    let first = &cluster.channels[0];
    let accepted = user.song("Long sim:takes=4s").await;
    is_accepted(&user, &accepted).await;
    let new = "a-new-key-of-first";
    first.upstream.set_key(new).await;
    // The polls with the old key are refused.
    eventually(SOON, "a poll to be refused", async || {
        let counts = first.upstream.counts().await;
        (counts["unauthorized"].as_u64() > Some(0)).then_some(())
    })
    .await;
    let operator = cluster.operator();
    let tested = operator.run(&["channel", "test", "--name", "first"]).await;
    assert_eq!(tested.code, 1, "{}", tested.stderr);
    let said = &tested.stdout;
    assert!(said.contains("it refuses the key (401)"), "{said}");

    let set = ["channel", "set", "--name", "first", "--key", new];
    let set = operator.json(&set).await;
    assert_eq!(set, json!({"name": "first", "changed": ["key"]}));
    let tested = operator.json(&["channel", "test", "--name", "first"]).await;
    assert_eq!(tested["ok"], true, "{tested}");
    success(&user, &accepted).await;
    let later = user.song("Later").await;
    success(&user, &later).await;
    let (asked, accepted) = first.upstream.asked_and_accepted("Long sim:takes=4s").await;
    assert_eq!((asked, accepted), (1, 1));
}

async fn deletion(cluster: &Cluster) {
    let user = cluster.user("ann", 2 * SONG).await;
    let operator = cluster.operator();
    let accepted = user.song("Long sim:takes=4s").await;
    is_accepted(&user, &accepted).await;
    let delete = ["channel", "delete", "--name", "first"];
    let refused = operator.run(&delete).await;
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    let why = "tasks need the channel `first`: 1 are being sent";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    success(&user, &accepted).await;
    operator.json(&delete).await;
    let refused = user.submit("music", &json!({"prompt": "la"})).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(operator.json(&["channel", "list"]).await, json!([]));

    // Its name is free. A worker that does not know of the deletion yet sends nothing to the deleted one.
    let upstream = &cluster.channels[0].upstream;
    operator
        .create_channel("first", &upstream.url, &upstream.key, &[])
        .await;
    let again = user.song("Again").await;
    success(&user, &again).await;
}
