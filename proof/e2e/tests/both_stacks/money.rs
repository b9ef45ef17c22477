//! What is charged, given back, and refused.

use e2e::{on_both, setup};
use futures_util::future::join_all;
use harness::client::SONG;
use harness::cluster::Cluster;
use libtest_mimic::Trial;
use serde_json::json;

use crate::{failure, success};

pub fn scenarios() -> Vec<Trial> {
    vec![
        on_both(
            "the same idempotency key makes one task and charges once",
            &setup(),
            idempotency,
        ),
        on_both(
            "a quota that is used up refuses until something is given back",
            &setup(),
            exhausted,
        ),
        on_both(
            "a key's own limit refuses while its user has quota left",
            &setup(),
            limited_key,
        ),
    ]
    .into_flattened()
}

async fn idempotency(cluster: &Cluster) {
    let user = cluster.user("ann", 1_000_000).await;
    let body = json!({"title": "Once", "prompt": "la"});
    let first = user.submit_once("music", &body, Some("order 1")).await;
    let again = user.submit_once("music", &body, Some("order 1")).await;
    assert_eq!(first.task_id(), again.task_id());

    let other = json!({"title": "Other", "prompt": "la"});
    let reused = user.submit_once("music", &other, Some("order 1")).await;
    assert_eq!(reused.status, 409);
    assert_eq!(reused.json["code"], "idempotency_key_reused");

    let twins = (0..8).map(|_| user.submit_once("music", &other, Some("order 2")));
    let twins = join_all(twins).await;
    let ids: Vec<String> = twins.iter().map(harness::client::Answer::task_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    success(&user, &first.task_id()).await;
    success(&user, &ids[0]).await;
    let late = user.submit_once("music", &body, Some("order 1")).await;
    assert_eq!(late.task_id(), first.task_id(), "even when it has ended");
    for title in ["Once", "Other"] {
        assert_eq!(cluster.upstream().asked_and_accepted(title).await, (1, 1));
    }
    assert_eq!(user.page("/api/task/self").await["total"], 2);
    assert_eq!(cluster.quota("ann").await, (1_000_000 - 2 * SONG, 2 * SONG));
}

async fn exhausted(cluster: &Cluster) {
    let user = cluster.user("ann", 2 * SONG + 1).await;
    let made = user.song("Made").await;
    let broken = user.song("Broken sim:fail sim:takes=5s").await;
    let body = json!({"title": "Too Much", "prompt": "la"});
    let refused = user.submit("music", &body).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(refused.json["code"], "quota_not_enough");
    assert_eq!(cluster.quota("ann").await, (1, 2 * SONG));

    failure(&user, &broken).await;
    assert_eq!(cluster.quota("ann").await, (SONG + 1, SONG));
    let third = user.submit("music", &body).await.task_id();
    success(&user, &made).await;
    success(&user, &third).await;
    assert_eq!(cluster.quota("ann").await, (1, 2 * SONG));
    assert_eq!(user.page("/api/task/self").await["total"], 3);
}

async fn limited_key(cluster: &Cluster) {
    let user = cluster.user_with_limit("ann", 10 * SONG, SONG).await;
    let broken = user.song("Broken sim:fail").await;
    let body = json!({"title": "Too Much", "prompt": "la"});
    let refused = user.submit("music", &body).await;
    assert_eq!(refused.json["code"], "quota_not_enough", "{}", refused.text);
    assert_eq!(
        cluster.quota("ann").await,
        (9 * SONG, SONG),
        "nothing was taken"
    );

    failure(&user, &broken).await;
    let made = user.submit("music", &body).await.task_id();
    success(&user, &made).await;
    let keys = cluster
        .operator()
        .json(&["key", "list", "--user", "ann"])
        .await;
    let key = &keys[0];
    assert_eq!(
        (&key["quota"], &key["used_quota"]),
        (&json!(0), &json!(SONG))
    );
}
