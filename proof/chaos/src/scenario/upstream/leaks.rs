//! An upstream that prints our key, its address and its ids wherever it can.

use harness::client::LYRICS;

use super::with_ann;
use crate::scenario::prelude::*;

pub async fn leaks(run: &Run) {
    let setup = patient()
        .upstreams(&[("first", &QUICK)])
        .env("SUBMIT_ATTEMPTS", "1");
    with_ann(run, &setup, async |cluster, ann| {
        let root = PatientClient::new(cluster, "root").await;
        let admin = "UPDATE users SET role = 'admin' WHERE name = 'root'";
        cluster.execute(admin).await;
        let mut tasks = Vec::new();
        for fault in ["fail", "refuse", "404", "503", "402"] {
            tasks.push(ann.song(&format!("Tell sim:leak sim:{fault}")).await);
        }
        tasks.push(ann.lyrics("tell a rhyme sim:leak sim:fail").await);
        for id in &tasks {
            let reason = ann.fails(id, SOON).await;
            assert!(reason.contains('…'), "{reason} hides nothing");
        }
        assert_eq!(refunded(cluster).await, 5 * SONG + LYRICS);
        for fault in ["early-reason sim:takes=4s", "429x1", "fetch-500x1"] {
            let id = ann.song(&format!("Tell sim:leak sim:{fault}")).await;
            ann.succeeds(&id, SOON).await;
            tasks.push(id);
        }
        let mut shown = Vec::new();
        for id in &tasks {
            ann.client.listed(id).await;
            shown.push(cluster.operator().json(&["task", "show", id]).await);
        }
        root.client.page("/api/task/").await;
        assert_hidden(cluster, [ann, &root], &shown).await;
        (3, 6)
    })
    .await;
}

/// No secret is anywhere.
async fn assert_hidden(cluster: &Cluster, clients: [&PatientClient; 2], shown: &[Value]) {
    let channel = &cluster.channels[0];
    let upstream = &channel.upstream;
    let address = upstream.url.trim_start_matches("http://").to_owned();
    let secrets = [upstream.key.clone(), address, channel.proxy().address()];
    let ids = upstream.ids().await;
    assert!(!ids.is_empty(), "the upstream accepted nothing");
    let both = [&secrets[..], &ids].concat();
    for client in clients {
        for text in harness::lock(&client.client.answers).iter() {
            hides("an answer", text, &both);
        }
    }
    // Operators see the upstream's id of a task, in `task show` and in the log, and nothing else.
    for shown in shown {
        hides("`task show`", &shown.to_string(), &secrets);
    }
    for node in cluster.nodes() {
        hides("a log", &node.log(), &secrets);
        hides("the metrics", &Metrics::read([node]).await.0, &both);
    }
}

fn hides(place: &str, text: &str, secrets: &[String]) {
    let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
    assert!(found.is_none(), "{found:?} is in {place}: {text}");
}
