//! Messages that no worker can read, published by hand.

use std::time::Duration;

use harness::wait::eventually;
use serde_json::json;

use crate::check::{Expected, check};
use crate::metrics::Figures;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use crate::site::Site;

/// How long anything may take.
const SOON: Duration = Duration::from_mins(1);

/// Nonsense in both work queues.
pub const POISON: Scenario = Scenario {
    name: "poison-messages",
    about: "Messages that no worker can read, and messages about tasks that cannot be, are put into both work \
            queues among good ones. The unreadable ones are parked as they are and counted, put back \
            from the command line and parked again; the others are forgotten, and the good ones go on.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(poison(run)),
};

async fn poison(run: &Run) {
    run.on_site(&patient(), async |site| {
        let ann = Asker::new(site, "ann").await;
        let mut tasks = ann.songs(&titles("Before", 10)).await;
        let mut parked = Vec::new();
        for queue in ["submit", "poll"] {
            for (payload, encoding) in unreadable(queue) {
                site.rabbitmq
                    .publish("work", queue, &payload, encoding)
                    .await;
                parked.push(payload);
            }
            for harmless in harmless(queue) {
                site.rabbitmq
                    .publish("work", queue, &harmless, "string")
                    .await;
            }
            tasks.extend(ann.songs(&titles(&format!("After {queue}"), 10)).await);
        }
        ann.all_succeed(&tasks, SOON).await;
        all_parked(site, &parked, 1).await;
        // What an operator does next; nobody can read them now either.
        let many = parked.len();
        let listed = site.operator().json(&["parked", "list"]).await;
        assert_eq!(listed["parked"], many, "{listed}");
        let put_back = site.operator().json(&["parked", "requeue", "--all"]).await;
        assert_eq!(put_back["requeued"], many, "{put_back}");
        all_parked(site, &parked, 2).await;
        let expected = Expected {
            parked: true,
            ..ann.expected()
        };
        let sums = check(run, site, SOON, &expected).await;
        assert_eq!(sums.tasks, [("SUCCESS".to_owned(), tasks.len())].into());
    })
    .await;
}

/// They are parked as they came, each once, and the worker counted each as often as it came.
async fn all_parked(site: &Site, published: &[String], times: u64) {
    let mut published = published.to_vec();
    published.sort();
    let often = published.len() as u64 / 2 * times;
    eventually(SOON, "everything unreadable to be parked", async || {
        let figures = Figures::of(&site.workers[0]).await;
        let counted = ["submit", "poll"].map(|queue| {
            let labels = [&*format!("queue=\"{queue}\""), "reason=\"unreadable\""];
            figures.sum("task_center_parked_messages_total", &labels)
        });
        assert!(
            counted.iter().all(|counted| *counted <= often),
            "{counted:?}"
        );
        let parked = site.rabbitmq.messages("parking", 100).await;
        let payloads = parked.iter().map(|message| message["payload"].as_str());
        let mut payloads: Vec<String> = payloads.flatten().map(str::to_owned).collect();
        payloads.sort();
        (counted == [often, often] && payloads == published).then_some(())
    })
    .await;
}

/// What the queue's workers cannot read, as many for each queue; and how it is written down here.
fn unreadable(queue: &str) -> Vec<(String, &'static str)> {
    let other = match queue {
        "submit" => json!({"v": 1, "poll": {"channel": 1, "tasks": [{"id": 1, "turn": 0}]}}),
        _ => json!({"v": 1, "submit": {"id": 1, "turn": 0}}),
    };
    let many = |many: usize| {
        let tasks = vec![json!({"id": 1, "turn": 1}); many];
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
        many(101).to_string(),
        many(20_000).to_string(),
        "[".repeat(10_000),
    ];
    // Bytes that are no text: 81 00 ff 00 01.
    let binary = ("gQD/AAE=".to_owned(), "base64");
    texts
        .into_iter()
        .map(|text| (text, "string"))
        .chain([binary])
        .collect()
}

/// What reads well, and is about nothing that there is.
fn harmless(queue: &str) -> Vec<String> {
    let poll = |channel: i64, id: i64| json!({"v": 1, "poll": {"channel": channel, "tasks": [{"id": id, "turn": 0}]}});
    let all = match queue {
        "submit" => [(-1, -1), (0, 0), (1 << 60, 3), (i64::MIN, i64::MAX)]
            .map(|(id, turn)| json!({"v": 1, "submit": {"id": id, "turn": turn}}))
            .to_vec(),
        _ => vec![
            poll(-3, -1),
            poll(99, 1),
            poll(1, 1 << 60),
            json!({"v": 1, "poll": {"channel": 1, "tasks": []}}),
        ],
    };
    all.iter().map(ToString::to_string).collect()
}
