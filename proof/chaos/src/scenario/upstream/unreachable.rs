//! Upstreams that nobody can connect to, and connections that break during polls.

use harness::servers::ports::free_port;

use super::with_ann;
use crate::scenario::prelude::*;

/// How many songs each half has.
const SONGS: usize = 8;

pub async fn unreachable(run: &Run) {
    let setup = patient()
        .upstreams(&[("good", &["--song-time", "6s"])])
        .env("UPSTREAM_SUBMIT_TIMEOUT", "8s")
        .env("SUBMIT_ATTEMPTS", "4");
    with_ann(run, &setup, async |cluster, ann| {
        let plain = cluster.channels[0].proxy().address();
        let bad = [
            ("refused", format!("http://127.0.0.1:{}", free_port())),
            ("no-tls", format!("https://{plain}")),
            ("no-name", "http://nobody.invalid".to_owned()),
        ];
        for (name, url) in &bad {
            let (operator, preferred) = (cluster.operator(), ["--priority", "10"]);
            operator.create_channel(name, url, "none", &preferred).await;
        }
        switch(cluster, "good", false).await;
        let tasks = ann.songs(&titles("Nowhere", SONGS)).await;
        sleep(Duration::from_secs(2)).await;
        for task in ann.client.tasks(&tasks).await {
            let unreachable = "no channel can be reached";
            assert_eq!(task["status"], "NOT_START", "{unreachable}: {task}");
        }
        switch(cluster, "good", true).await;
        ann.all_succeed(&tasks, SOON).await;
        for (name, _) in &bad {
            switch(cluster, name, false).await;
        }
        connections_break(cluster, ann).await;
        assert_eq!(accepted(cluster, 0).await, 2 * SONGS as u64);
        (2 * SONGS, 0)
    })
    .await;
}

/// Connections are closed, reset and black-holed during polls.
async fn connections_break(cluster: &Cluster, ann: &PatientClient) {
    let tasks = ann.songs(&titles("Polled", SONGS)).await;
    eventually(SOON, "all to be accepted", async || {
        let tasks = ann.client.tasks(&tasks).await;
        let accepted = tasks.iter().all(|task| task["status"] != "NOT_START");
        accepted.then_some(())
    })
    .await;
    let wire = cluster.channels[0].proxy();
    wire.cut();
    sleep(Duration::from_secs(3)).await;
    wire.reset();
    sleep(Duration::from_secs(3)).await;
    wire.black_hole();
    sleep(Duration::from_secs(5)).await;
    wire.mend();
    ann.all_succeed(&tasks, SOON).await;
}
