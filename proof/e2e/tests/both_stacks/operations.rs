//! What operators see, and what they do.

use e2e::{Kind, on, on_both, setup};
use harness::client::{SONG, http};
use harness::cluster::{Cluster, Setup};
use harness::wait::eventually;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{SOON, failure, success};

pub fn scenarios() -> Vec<Trial> {
    let one = Setup {
        workers: 1,
        ..setup()
    };
    let mut scenarios = vec![
        on_both("the figures tell what happened", &one, figures),
        on_both(
            "counters begin at 0 before anything happens",
            &one,
            counters_begin_at_zero,
        ),
        on_both(
            "a task's story and its log lines tell its whole way",
            &one.clone().env("RUST_LOG", "debug"),
            story,
        ),
        on_both(
            "parked messages of a process need no broker to be refused",
            &one,
            no_durable_parking,
        ),
    ]
    .into_flattened();
    scenarios.push(on(
        Kind::Separate,
        "a message that nobody can read is parked, seen, put back and dropped",
        one,
        poison,
    ));
    scenarios
}

/// What all processes of a stack show: every line that is no comment.
async fn shown(cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    for node in cluster.nodes() {
        let url = format!("{}/metrics", node.url);
        let answer = http().get(&url).send().await.expect("it answers");
        assert_eq!(answer.status().as_u16(), 200);
        let text = answer.text().await.expect("it is text");
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(typed) = line.strip_prefix("# TYPE ") {
                let name = typed.split(' ').next().unwrap_or_default();
                let help = format!("# HELP {name} ");
                assert!(text.contains(&help), "{name} says nothing of itself");
            } else if !line.starts_with('#') {
                lines.push(line.to_owned());
            }
        }
    }
    lines
}

/// Waits until a process shows each of `lines`.
async fn shows(cluster: &Cluster, lines: &[&str]) {
    for line in lines {
        eventually(SOON, line, async || {
            let shown = shown(cluster).await;
            shown.iter().any(|shown| shown == line).then_some(())
        })
        .await;
    }
}

async fn counters_begin_at_zero(cluster: &Cluster) {
    // As soon as the programs say that they serve.
    let lines = shown(cluster).await;
    for line in [
        "task_center_cool_downs_total{channel=\"first\",kind=\"refusal\"} 0",
        "task_center_cool_downs_total{channel=\"first\",kind=\"trouble\"} 0",
        "task_center_tasks_ended_total{status=\"FAILURE\",channel=\"first\"} 0",
        "task_center_tasks_ended_total{status=\"FAILURE\",channel=\"none\"} 0",
        "task_center_upstream_calls_total{channel=\"first\",call=\"submit\",outcome=\"unknown\"} 0",
        "task_center_upstream_calls_total{channel=\"first\",call=\"fetch\",outcome=\"busy\"} 0",
        "task_center_upstream_fetched_ids_total{channel=\"first\"} 0",
        "task_center_submits_total{action=\"song\",outcome=\"no_channel\"} 0",
        "task_center_charges_total{action=\"lyrics\"} 0",
        "task_center_quota_charged_total{action=\"song\"} 0",
        "task_center_quota_refunded_total{action=\"song\"} 0",
        "task_center_turns_total{work=\"submit\",turn=\"orphaned\"} 0",
        "task_center_late_results_total{status=\"SUCCESS\"} 0",
        "task_center_database_retries_total 0",
    ] {
        assert!(
            lines.iter().any(|shown| shown == line),
            "{line}\n{lines:#?}"
        );
    }
    let build = concat!(
        "task_center_build_info{version=\"",
        env!("CARGO_PKG_VERSION")
    );
    shows_begin(cluster, build).await;
    let pool = if cluster.is_one_process() {
        "write"
    } else {
        "all"
    };
    for figure in ["connections{pool", "connections_limit{pool"] {
        shows_begin(
            cluster,
            &format!("task_center_database_{figure}=\"{pool}\""),
        )
        .await;
    }
    // A channel that is new has its counters before its first task.
    let operator = cluster.operator();
    operator
        .create_channel("second", "http://127.0.0.1:1", "none", &[])
        .await;
    let refusals = "task_center_cool_downs_total{channel=\"second\",kind=\"refusal\"} 0";
    shows(cluster, &[refusals]).await;
}

/// Waits until a process shows a line that begins so.
async fn shows_begin(cluster: &Cluster, begin: &str) {
    eventually(SOON, begin, async || {
        let shown = shown(cluster).await;
        let found = shown.iter().any(|line| line.starts_with(begin));
        found.then_some(())
    })
    .await;
}

async fn figures(cluster: &Cluster) {
    let user = cluster.user("ann", 3 * SONG).await;
    let made = user.song("One").await;
    let delayed = user.song("Two sim:429-retry-afterx1").await;
    let refused = user.song("Three sim:refuse").await;
    success(&user, &made).await;
    success(&user, &delayed).await;
    failure(&user, &refused).await;
    shows(
        cluster,
        &[
            "task_center_charges_total{action=\"song\"} 3",
            "task_center_refunds_total 1",
            "task_center_tasks_ended_total{status=\"SUCCESS\",channel=\"first\"} 2",
            "task_center_tasks_ended_total{status=\"FAILURE\",channel=\"first\"} 1",
            "task_center_quota_charged_total{action=\"song\"} 450000",
            "task_center_quota_refunded_total{action=\"song\"} 150000",
            "task_center_task_seconds_count{action=\"song\",status=\"SUCCESS\"} 2",
            "task_center_worker_resting{why=\"no descriptors\"} 0",
            "task_center_database_waiting 0",
            "task_center_turns_total{work=\"submit\",turn=\"claimed\"} 4",
            "task_center_turns_total{work=\"submit\",turn=\"orphaned\"} 0",
            "task_center_lateness_seconds_count{work=\"submit\"} 4",
            "task_center_cool_downs_total{channel=\"first\",kind=\"trouble\"} 1",
            "task_center_parked_messages_total{queue=\"submit\",reason=\"unreadable\"} 0",
            "task_center_reachable{what=\"database\"} 1",
            "task_center_reachable{what=\"broker\"} 1",
            "task_center_unfinished_tasks{state=\"at_upstream\"} 0",
            "task_center_overdue_tasks 0",
            "task_center_parking_messages 0",
        ],
    )
    .await;
    let shown = shown(cluster).await;
    for begin in [
        "task_center_upstream_calls_total{channel=\"first\",call=\"submit\",outcome=\"ok\"} 2",
        "task_center_upstream_call_seconds_bucket{channel=\"first\",call=\"fetch\",le=\"0.1\"}",
        "task_center_lateness_seconds_bucket{work=\"poll\",le=\"5\"}",
        "task_center_channel_rest_seconds{channel=\"first\",calls=\"submit\"}",
        "task_center_channel_tasks{channel=\"first\"} 0",
        "task_center_channel_limit{channel=\"first\"} ",
        "task_center_channel_health{channel=\"first\",state=\"closed\"} 1",
        "task_center_waiting_tasks{reason=\"place\"} 0",
        "task_center_sweeps_total{result=\"nothing\"}",
    ] {
        assert!(
            shown.iter().any(|line| line.starts_with(begin)),
            "{begin}\n{shown:#?}"
        );
    }
    for queue in [".submit", ".poll", ".delay.2s", ".delay.300s", ".parking"] {
        let ours = |line: &&String| {
            line.starts_with("task_center_queue_messages{")
                && line.contains(&format!("{queue}\"}}"))
        };
        assert!(shown.iter().any(|line| ours(&line)), "{queue}\n{shown:#?}");
    }
}

async fn story(cluster: &Cluster) {
    let user = cluster.user("ann", 3 * SONG).await;
    let delayed = user.song("Two sim:503x1").await;
    let refused = user.song("Three sim:refuse").await;
    success(&user, &delayed).await;
    failure(&user, &refused).await;
    let made = cluster.operator().json(&["task", "show", &delayed]).await;
    let lost = cluster.operator().json(&["task", "show", &refused]).await;

    let kinds = |story: &Value| {
        let history = story["history"].as_array().expect("a history is a list");
        let kinds = history.iter().filter_map(|event| event["kind"].as_str());
        // Whether a status was seen on the way is the upstream's pace.
        let kinds: Vec<&str> = kinds.filter(|kind| *kind != "status").collect();
        kinds.join(" ")
    };
    let way = "stored sending not_arrived sending accepted ended";
    assert_eq!(kinds(&made), way, "{made}");
    assert_eq!(kinds(&lost), "stored sending ended refunded", "{lost}");
    let why = made["history"][2]["detail"].as_str().expect("it is a text");
    assert!(
        why.contains("channel first: ") && why.contains("503"),
        "{why}"
    );
    assert_eq!(lost["ledger"][1]["amount"], SONG);
    assert_eq!(
        (&made["channel"], &made["key"]),
        (&json!("first"), &json!("harness"))
    );
    assert_eq!(made["unfinished"], Value::Null);

    for (task, words) in [
        (
            &made,
            &[
                "stored a task",
                "a submit did not arrive; it is tried again",
                "the upstream accepted the task",
                "the task ended",
            ][..],
        ),
        (
            &lost,
            &["stored a task", "the task failed and was refunded"],
        ),
    ] {
        let lines = lines_about(cluster, task);
        for word in words {
            let said = lines.iter().any(|line| line["message"] == *word);
            assert!(said, "{word}: {lines:#?}");
        }
    }
}

/// The log lines about a task, each of which must say which task it is, and at which turn.
fn lines_about(cluster: &Cluster, task: &Value) -> Vec<Value> {
    let name = task["task_id"].as_str().expect("it has a name");
    let mut about = Vec::new();
    for node in cluster.nodes() {
        for line in node.log().lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                panic!("no JSON: {line}");
            };
            let spans = line["spans"].as_array().cloned().unwrap_or_default();
            let field = |field: &str| {
                let all = std::iter::once(&line).chain(&spans);
                all.map(|place| place[field].clone())
                    .find(|value| !value.is_null())
            };
            let is_ours = field("task").is_some_and(|value| value == name)
                || field("row").is_some_and(|value| value == task["id"]);
            if is_ours {
                assert!(field("turn").is_some_and(|turn| turn.is_i64()), "{line}");
                about.push(line);
            } else {
                // Of a request only its path may say it.
                let elsewhere = line.to_string().contains(name);
                assert!(!elsewhere || field("path").is_some(), "{line}");
            }
        }
    }
    about
}

async fn no_durable_parking(cluster: &Cluster) {
    let done = cluster.operator().run(&["parked", "list"]).await;
    if cluster.is_one_process() {
        assert_eq!((done.code, done.stdout.as_str()), (1, ""));
        let said = done.stderr.contains("AMQP_URL is not set");
        assert!(said, "{}", done.stderr);
    } else {
        assert_eq!(done.stdout, "Nothing is parked.\n", "{}", done.stderr);
    }
    let wrong = cluster.operator().run(&["parked", "drop"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

async fn poison(cluster: &Cluster) {
    let rabbitmq = cluster.rabbitmq().clone();
    rabbitmq
        .publish(
            "work",
            "submit",
            r#"{"v":2,"submit":{"id":17,"turn":3}}"#,
            "string",
        )
        .await;
    shows(
        cluster,
        &[
            "task_center_parking_messages 1",
            "task_center_parked_messages_total{queue=\"submit\",reason=\"unreadable\"} 1",
        ],
    )
    .await;
    let log = cluster.workers[0].log();
    let parked = log.lines().find(|line| line.contains("parked a message"));
    let parked: Value = serde_json::from_str(parked.expect("it is logged")).expect("it is JSON");
    assert_eq!((&parked["row"], &parked["turn"]), (&json!(17), &json!(3)));

    let operator = cluster.operator();
    let list = operator.json(&["parked", "list"]).await;
    assert_eq!(list["parked"], 1, "{list}");
    let message = &list["messages"][0];
    assert_eq!(message["queue"], "submit");
    assert_eq!(
        (&message["reason"], &message["times"]),
        (&json!("rejected"), &json!(1))
    );
    assert_eq!(message["body"], r#"{"v":2,"submit":{"id":17,"turn":3}}"#);
    let problem = message["problem"].as_str().expect("it has one");
    assert!(problem.contains("version is 2"), "{problem}");

    let back = operator.json(&["parked", "requeue", "--all"]).await;
    assert_eq!(back, json!({"requeued": 1, "unknown": 0, "left": 0}));
    eventually(SOON, "it to be parked again", async || {
        let list = operator.json(&["parked", "list"]).await;
        (list["messages"][0]["times"] == 2).then_some(())
    })
    .await;
    let said = operator.run(&["parked", "list"]).await.stdout;
    assert!(
        said.contains("a worker refused it: its version is 2"),
        "{said}"
    );

    let dropped = operator.json(&["parked", "drop", "--limit", "5"]).await;
    assert_eq!(dropped["dropped"][0]["times"], 2, "{dropped}");
    shows(cluster, &["task_center_parking_messages 0"]).await;
}
