//! Messages that no worker can read, published by hand.

use crate::scenario::prelude::*;

/// The limit for each step.
const LIMIT: Duration = Duration::from_mins(1);

pub async fn poison(run: &Run) {
    run.on_cluster(&patient(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let rabbitmq = cluster.rabbitmq();
        let mut tasks = ann.songs(&titles("Before", 10)).await;
        let mut parked = Vec::new();
        for queue in ["submit", "poll"] {
            for (payload, encoding) in unreadable(queue) {
                rabbitmq.publish("work", queue, &payload, encoding).await;
                parked.push(payload);
            }
            for payload in harmless(queue) {
                rabbitmq.publish("work", queue, &payload, "string").await;
            }
            tasks.extend(ann.songs(&titles(&format!("After {queue}"), 10)).await);
        }
        ann.all_succeed(&tasks, LIMIT).await;
        all_parked(cluster, &parked, 1).await;
        // An operator requeues the messages, and no worker can read them now either.
        let count = parked.len();
        let listed = cluster.operator().json(&["parked", "list"]).await;
        assert_eq!(listed["parked"], count, "{listed}");
        let requeue = ["parked", "requeue", "--all"];
        let requeued = cluster.operator().json(&requeue).await;
        assert_eq!(requeued["requeued"], count, "{requeued}");
        all_parked(cluster, &parked, 2).await;
        let expected = Expected {
            parked: true,
            ..ann.expected()
        };
        let sums = check(run, cluster, LIMIT, &expected).await;
        sums.assert_ended(tasks.len(), 0);
    })
    .await;
}

/// Each message is parked once, unchanged, and the worker has counted it `times` times.
async fn all_parked(cluster: &Cluster, published: &[String], times: u64) {
    let mut published = published.to_vec();
    published.sort();
    let expected = published.len() as u64 / 2 * times;
    eventually(LIMIT, "everything unreadable to be parked", async || {
        let metrics = Metrics::read(&cluster.workers).await;
        let counted = ["submit", "poll"].map(|queue| {
            let labels = [&*format!("queue=\"{queue}\""), "reason=\"unreadable\""];
            metrics.sum("task_center_parked_messages_total", &labels)
        });
        assert!(
            counted.iter().all(|counted| *counted <= expected),
            "{counted:?}"
        );
        let parked = cluster.rabbitmq().messages("parking", 100).await;
        let payloads = parked.iter().map(|message| message["payload"].as_str());
        let mut payloads: Vec<String> = payloads.flatten().map(str::to_owned).collect();
        payloads.sort();
        (counted == [expected, expected] && payloads == published).then_some(())
    })
    .await;
}

/// Payloads that the queue's workers cannot read, equally many for each queue, and their encoding in
/// the management API.
fn unreadable(queue: &str) -> Vec<(String, &'static str)> {
    let other = match queue {
        "submit" => json!({"v": 1, "poll": {"channel": 1, "tasks": [{"id": 1, "turn": 0}]}}),
        _ => json!({"v": 1, "submit": {"id": 1, "turn": 0}}),
    };
    let poll = |count: usize| {
        let tasks = vec![json!({"id": 1, "turn": 1}); count];
        json!({"v": 1, "poll": {"channel": 1, "tasks": tasks}})
    };
    let texts = [
        String::new(),
        "{\"v\":1,\"submit\":{\"id\":1,".to_owned(),
        "null".to_owned(),
        json!({"v": 2, "submit": {"id": 1, "turn": 0}}).to_string(),
        json!({"v": 1, "submit": {"id": "1", "turn": 0}}).to_string(),
        json!({"v": 1, "submit": {"id": 1e30, "turn": 0}}).to_string(),
        json!({"v": 1, "sing": {"id": 1, "turn": 0}}).to_string(),
        json!({"v": 1, "probe": true}).to_string(),
        other.to_string(),
        poll(101).to_string(),
        poll(20_000).to_string(),
        "[".repeat(10_000),
    ];
    // The bytes 81 00 ff 00 01 are no text.
    let binary = ("gQD/AAE=".to_owned(), "base64");
    let texts = texts.into_iter().map(|text| (text, "string"));
    texts.chain([binary]).collect()
}

/// Payloads that read well, about tasks and channels that do not exist.
fn harmless(queue: &str) -> Vec<String> {
    let poll = |channel: i64, id: i64| json!({"v": 1, "poll": {"channel": channel, "tasks": [{"id": id, "turn": 0}]}});
    let all = match queue {
        "submit" => [(-1, -1), (0, 0), (1 << 60, 3), (i64::MIN, i64::MAX)]
            .map(|(id, turn)| json!({"v": 1, "submit": {"id": id, "turn": turn}})),
        _ => [
            poll(-3, -1),
            poll(99, 1),
            poll(1, 1 << 60),
            json!({"v": 1, "poll": {"channel": 1, "tasks": []}}),
        ],
    };
    all.iter().map(ToString::to_string).collect()
}
