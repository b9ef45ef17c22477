//! What scenarios read from a cluster, and what operators do to its channels.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::wait::eventually;

use harness::cluster::{Cluster, Node};
use harness::metrics::Metrics;

/// The limit for what takes seconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(90);

/// The limit for what takes no time on an idle machine.
const MOMENT: Duration = Duration::from_secs(30);

/// The log line of a worker whose "accepted" came after another turn of the task.
pub const TOO_LATE: &str = "accepted a task that is at another turn by now";

pub async fn number(cluster: &Cluster, sql: &'static str) -> i64 {
    let mut database = cluster.connect().await;
    let number = sqlx::query_scalar(sql).fetch_one(&mut database).await;
    number.expect("the database answers")
}

/// How many tasks with this title are committed.
pub async fn stored(cluster: &Cluster, title: &str) -> i64 {
    let count = "SELECT count(*) FROM tasks WHERE input = $1";
    let count = sqlx::query_scalar(count).bind(title);
    let count = count.fetch_one(&mut cluster.connect().await).await;
    count.expect("the database answers")
}

pub async fn refunded(cluster: &Cluster) -> i64 {
    let sum = "SELECT coalesce(sum(amount), 0)::BIGINT FROM ledger WHERE kind = 'refund'";
    number(cluster, sum).await
}

/// The kinds of events in a task's history, and how many there are of each.
pub async fn history(cluster: &Cluster, task: &str) -> BTreeMap<String, usize> {
    let shown = cluster.operator().json(&["task", "show", task]).await;
    let history = shown["history"].as_array().expect("a history is a list");
    let mut kinds = BTreeMap::new();
    for event in history {
        let kind = event["kind"].as_str().expect("a kind is a word");
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// How many submits of a title the upstreams together got, and how many they accepted.
pub async fn submits_of(cluster: &Cluster, title: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for channel in &cluster.channels {
        let (submits, accepted) = channel.upstream.asked_and_accepted(title).await;
        sum = (sum.0 + submits, sum.1 + accepted);
    }
    sum
}

pub async fn accepted(cluster: &Cluster, channel: usize) -> u64 {
    let counts = cluster.channels[channel].upstream.counts().await;
    let accepted = counts["submits"]["accepted"].as_u64();
    accepted.expect("a count is a number")
}

/// Waits until a worker gets a message, `submit` or `poll`, for a turn that is over.
pub async fn gets_stale(worker: &Node, message: &str) {
    let what = format!("{} to get a stale {message}", worker.name);
    let work = format!("work=\"{message}\"");
    eventually(MOMENT, &what, async || {
        let metrics = Metrics::try_read(worker).await?;
        let stale = metrics.sum("task_center_turns_total", &[&work, "turn=\"stale\""]);
        (stale > 0).then_some(())
    })
    .await;
}

/// Waits until a process logs one of these texts.
pub async fn logs(node: &Node, texts: &[&str]) {
    let what = format!("{} to log {texts:?}", node.name);
    eventually(MOMENT, &what, async || {
        let log = node.log();
        texts.iter().any(|text| log.contains(text)).then_some(())
    })
    .await;
}

/// Gives a channel the highest priority, and waits until the workers know.
pub async fn prefer(cluster: &Cluster, channel: &str) {
    let prefer = format!("UPDATE channels SET priority = 10 WHERE name = '{channel}'");
    cluster.execute(&prefer).await;
    workers_know().await;
}

/// The workers' list of channels is at most a second old.
async fn workers_know() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

/// Enables or disables a channel on the command line, and waits until the workers know.
pub async fn switch(cluster: &Cluster, channel: &str, on: bool) {
    let command = if on { "enable" } else { "disable" };
    let arguments = ["channel", command, "--name", channel];
    let done = cluster.operator().run(&arguments).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    workers_know().await;
}
