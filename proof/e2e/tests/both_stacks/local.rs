//! A worker in trouble of its own.

use std::fs::read_dir;
use std::process::Command;

use e2e::{Kind, on, setup};
use futures_util::future::join_all;
use harness::client::{SONG, http, readiness};
use harness::cluster::{Cluster, Node};
use harness::metrics::Metrics;
use harness::wait::eventually;
use libtest_mimic::Trial;
use reqwest::Client;
use serde_json::Value;

use crate::{SOON, success};

pub fn scenarios() -> Vec<Trial> {
    // An attempt that counts would fail the task.
    let setup = setup().env("SUBMIT_ATTEMPTS", "1");
    vec![on(
        Kind::Separate,
        "a worker without descriptors rests, and no channel does",
        setup,
        no_descriptors,
    )]
}

/// Lets a process open no more files than it has open, or as many as its hard limit allows.
fn limit_descriptors(pid: u32, is_limited: bool) {
    let open = read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let open: Vec<u32> = open
        .filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // A new descriptor gets the lowest number that is free.
    let free = (0..u32::MAX).find(|number| !open.contains(number));
    let free = free.expect("some number is free");
    let most = if is_limited { free } else { 1024 };
    let set = Command::new("prlimit")
        .args([format!("--pid={pid}"), format!("--nofile={most}:")])
        .status();
    assert!(set.is_ok_and(|status| status.success()), "the limit is set");
}

async fn metric(client: &Client, worker: &Node, line: &str) -> bool {
    let answer = client.get(format!("{}/metrics", worker.url)).send().await;
    let text = answer
        .expect("it answers")
        .text()
        .await
        .expect("it is text");
    text.lines().any(|shown| shown == line)
}

/// How many tasks a worker sent that upstreams accepted.
fn sent(metrics: &Metrics) -> u64 {
    let accepted = ["call=\"submit\"", "outcome=\"ok\""];
    metrics.sum("task_center_upstream_calls_total", &accepted)
}

async fn no_descriptors(cluster: &Cluster) {
    let user = cluster.user("ann", 40 * SONG).await;
    let (poor, well) = (&cluster.workers[0], &cluster.workers[1]);
    // Its kept connection is the only one that the worker can serve later.
    let client = http();
    let (status, body) = readiness(&client, &poor.url).await.expect("it answers");
    assert_eq!(
        (status, &body["local"]),
        (200, &Value::from("ok")),
        "{body}"
    );

    let pid = poor.pid().await.expect("it runs");
    limit_descriptors(pid, true);
    let mut tasks = Vec::new();
    // Until it took a submit.
    let body = eventually(SOON, "the worker to rest", async || {
        tasks.push(user.song(&format!("Meanwhile {}", tasks.len())).await);
        let (status, body) = readiness(&client, &poor.url).await?;
        (status == 503).then_some(body)
    })
    .await;
    assert_eq!(body["local"], "no descriptors", "{body}");
    assert_eq!(body["database"], "ok", "{body}");
    let resting = "task_center_worker_resting{why=\"no descriptors\"}";
    assert!(metric(&client, poor, &format!("{resting} 1")).await);
    let (status, body) = readiness(&http(), &well.url).await.expect("it answers");
    assert_eq!(
        (status, &body["local"]),
        (200, &Value::from("ok")),
        "{body}"
    );
    join_all(tasks.iter().map(|task| success(&user, task))).await;

    limit_descriptors(pid, false);
    eventually(SOON, "the worker to work again", async || {
        let (status, _) = readiness(&client, &poor.url).await?;
        (status == 200).then_some(())
    })
    .await;
    assert!(metric(&client, poor, &format!("{resting} 0")).await);
    let before = sent(&Metrics::read([poor]).await);
    let more = join_all(["One", "Two", "Three", "Four"].map(|title| user.song(title))).await;
    join_all(more.iter().map(|task| success(&user, task))).await;
    let mut again = 0;
    eventually(SOON, "the worker to send a task again", async || {
        let metrics = Metrics::try_read(poor).await?;
        again += 1;
        success(&user, &user.song(&format!("Again {again}")).await).await;
        (sent(&metrics) > before).then_some(())
    })
    .await;

    // No channel ever rested.
    for worker in &cluster.workers {
        assert!(
            !worker.log().contains("this channel rests"),
            "{}",
            worker.name
        );
    }
    let rests = poor
        .log()
        .matches("this worker cannot call upstreams")
        .count();
    assert_eq!(rests, 1, "the log tells it once");
}
