//! The acceptance run: one API and two workers on `PostgreSQL` and `RabbitMQ` take many tasks from an
//! unreliable upstream to their ends. 300 unless `E2E_TASKS` says otherwise; in full:
//!
//! ```text
//! E2E_TASKS=2000 scripts/with-servers cargo test -p e2e --test the_big_run -- --nocapture
//! ```

use std::process::ExitCode;
use std::time::Duration;

use e2e::{Kind, kill_a_worker, on, setup};
use harness::client::{Client, SONG};
use harness::cluster::{Cluster, Setup};
use harness::metrics::Metrics;
use harness::rabbitmq::RabbitMq;
use harness::suite::run_at_once;
use harness::wait::{eventually, in_time};
use serde_json::Value;
use tokio::time::Instant;

const FAULTS: &str = "fail=5%,submit-429=5%,submit-drop-after=2%";
/// What the management API says of consumers and depths is some seconds old.
const STATISTICS: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let upstream = ["--song-time", "3s..15s", "--faults", FAULTS];
    let limit = Duration::from_mins(2) + Duration::from_millis(150) * tasks();
    let setup = setup()
        .upstreams(&[("unreliable", &upstream)])
        .env("POLL_INITIAL_DELAY", "2s")
        .env("POLL_MAX_DELAY", "5s")
        .env("UPSTREAM_SUBMIT_TIMEOUT", "10s")
        .env("TASK_TIMEOUT", "30m")
        .env("DATABASE_MAX_CONNECTIONS", "10")
        .limit(limit);
    // One after the other, for figures that mean something; side by side as a mere test.
    let at_once = if std::env::var_os("E2E_TASKS").is_some() {
        1
    } else {
        2
    };
    let scenarios = vec![
        on(
            Kind::Separate,
            "every task ends, and the books balance, while the upstream errs",
            setup.clone(),
            async |cluster: &Cluster| big_run(cluster, false).await,
        ),
        on(
            Kind::Separate,
            "every task ends, and the books balance, while a worker is killed",
            setup.clone(),
            async |cluster: &Cluster| big_run(cluster, true).await,
        ),
        on(
            Kind::Separate,
            "every task ends, and the books balance, behind a pooler in transaction mode",
            Setup {
                pooler: true,
                ..setup
            },
            async |cluster: &Cluster| big_run(cluster, false).await,
        ),
    ];
    run_at_once(scenarios, at_once)
}

fn tasks() -> u32 {
    let Ok(text) = std::env::var("E2E_TASKS") else {
        return 300;
    };
    let number = text.parse().ok().filter(|&number| number > 0);
    number.expect("E2E_TASKS takes a whole number above 0")
}

async fn big_run(cluster: &Cluster, kill: bool) {
    let wanted = tasks();
    let quota = amount(wanted) * SONG;
    let user = cluster.user("ann", quota).await;
    let rabbitmq = cluster.rabbitmq().clone();
    topology_as_in_the_contract(&rabbitmq).await;
    if !kill {
        names_as_in_the_contract(cluster, &rabbitmq).await;
    }

    let started = Instant::now();
    let titles: Vec<String> = (0..wanted).map(|number| format!("Song {number}")).collect();
    let submitting = async {
        let ids = user.songs(&titles).await;
        (ids, started.elapsed())
    };
    let (ids, submitted) = if kill {
        let (submitted, ()) = tokio::join!(submitting, kill_in_the_middle(cluster, &user, wanted));
        submitted
    } else {
        submitting.await
    };
    let limit = Duration::from_mins(2) + Duration::from_millis(120) * wanted;
    let ends = user.ends_of(&ids, limit).await;
    let took = started.elapsed();

    let counts = cluster.upstream().counts().await;
    let (successes, unknown) = check_ends(&ends, &counts, kill);
    assert_eq!(
        cluster.quota("ann").await,
        (quota - amount(successes) * SONG, amount(successes) * SONG)
    );
    assert_eq!(counts["submits"]["accepted_twice"], 0, "{counts}");
    // A worker that dies before it sends what it wrote down that it would: nobody was asked.
    let asked = counts["submits"]["titles"].as_u64().map_or(0, amount);
    let never_asked = if kill { amount(unknown) } else { 0 };
    assert!(asked + never_asked >= amount(wanted), "{counts}");
    let page = user.page("/api/task/self?status=SUCCESS&page_size=1").await;
    assert_eq!(page["total"], successes);
    queues_are_empty(&rabbitmq).await;

    let figures = Figures::of(cluster, &counts).await;
    println!(
        "\n{wanted} tasks{}: {:.1} s ({:.1} tasks/s), all submitted after {:.1} s\n  \
         {successes} SUCCESS, {} FAILURE ({unknown} of them with an unknown outcome)\n  \
         upstream: {} submits, {} accepted, {} fetch calls with {} ids ({:.1} ids a call, {} at most)\n  \
         turns: {} polls claimed, {} stale; {} tasks swept",
        if kill {
            ", a worker killed in the middle"
        } else {
            ""
        },
        took.as_secs_f64(),
        f64::from(wanted) / took.as_secs_f64(),
        submitted.as_secs_f64(),
        ends.len() - successes,
        counts["submits"]["asked"],
        counts["submits"]["accepted"],
        counts["fetches"]["asked"],
        counts["fetches"]["ids"],
        figures.ids_per_call,
        counts["fetches"]["most_ids"],
        figures.claimed,
        figures.stale,
        figures.swept,
    );
}

/// Kills a worker when a quarter of the tasks has ended, and starts another.
async fn kill_in_the_middle(cluster: &Cluster, user: &Client, wanted: u32) {
    let quarter = i64::from(wanted / 4);
    let within = Duration::from_mins(5);
    eventually(within, "a quarter of the tasks to end", async || {
        let page = user.page("/api/task/self?status=SUCCESS&page_size=1").await;
        (page["total"].as_i64()? >= quarter).then_some(())
    })
    .await;
    kill_a_worker(cluster).await;
    cluster.serve().await;
}

/// Checks that every task that failed did so for a reason that was ordered; returns how many
/// succeeded, and of how many the outcome is not known.
fn check_ends(ends: &[Value], counts: &Value, killed: bool) -> (usize, usize) {
    let failed: Vec<&Value> = ends
        .iter()
        .filter(|task| task["status"] == "FAILURE")
        .collect();
    let is_unknown = |task: &&&Value| {
        let reason = task["fail_reason"].as_str().unwrap_or_default();
        assert!(!reason.is_empty(), "{task}");
        reason.contains("not known")
    };
    let unknown = failed.iter().filter(is_unknown).count();
    let dropped = counts["faults"]["submit-drop-after"].as_u64().unwrap_or(0);
    let broken = counts["faults"]["fail"].as_u64().unwrap_or(0);
    if killed {
        assert!(amount(unknown) >= amount(dropped), "{counts}");
    } else {
        assert_eq!(amount(unknown), amount(dropped), "{counts}");
    }
    let failed_upstream = failed.len() - unknown;
    assert!(amount(failed_upstream) <= amount(broken), "{counts}");
    (ends.len() - failed.len(), unknown)
}

/// Exchanges, queues and bindings, by their names, kinds and arguments.
async fn topology_as_in_the_contract(rabbitmq: &RabbitMq) {
    let rungs = [
        1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 28, 30, 40, 50, 60, 120, 180, 300,
    ];
    let mut expected = ["parking", "poll", "submit"].map(str::to_owned).to_vec();
    expected.extend(rungs.map(|seconds| format!("delay.{seconds}s")));
    expected.sort();

    let queues = rabbitmq.queues().await;
    let mut names: Vec<String> = queues.iter().map(|queue| short(&queue["name"])).collect();
    names.sort();
    assert_eq!(names, expected);
    for queue in &queues {
        assert_eq!(queue["arguments"]["x-queue-type"], "quorum", "{queue}");
        assert_eq!(queue["durable"], true, "{queue}");
        dead_letters_as_designed(queue);
    }

    let exchanges = rabbitmq.exchanges().await;
    let kind = |name: &str| {
        let found = exchanges
            .iter()
            .find(|exchange| short(&exchange["name"]) == name);
        let found = found.unwrap_or_else(|| panic!("there is no exchange {name}"));
        assert_eq!(found["durable"], true, "{found}");
        found["type"].clone()
    };
    assert_eq!(kind("work"), "direct");
    kind("dead");

    let bindings = rabbitmq.bindings().await;
    let bound = |from: &str, to: &str| {
        let found = bindings.iter().find(|binding| {
            short(&binding["source"]) == from && short(&binding["destination"]) == to
        });
        assert!(found.is_some(), "{from} is not bound to {to}");
    };
    bound("work", "submit");
    bound("work", "poll");
    bound("dead", "parking");
}

/// What waits comes back to be worked on, what nobody can handle is parked, and nothing of it is lost
/// by a broker that dies meanwhile.
fn dead_letters_as_designed(queue: &Value) {
    let name = short(&queue["name"]);
    let arguments = &queue["arguments"];
    let target = |expected: &str| {
        assert_eq!(
            short(&arguments["x-dead-letter-exchange"]),
            expected,
            "{queue}"
        );
        assert_eq!(
            arguments["x-dead-letter-strategy"], "at-least-once",
            "{queue}"
        );
        assert_eq!(arguments["x-overflow"], "reject-publish", "{queue}");
    };
    if let Some(seconds) = name
        .strip_prefix("delay.")
        .and_then(|rung| rung.strip_suffix('s'))
    {
        let seconds: u64 = seconds.parse().expect("a rung is whole seconds");
        assert_eq!(arguments["x-message-ttl"], seconds * 1000, "{queue}");
        target("work");
    } else if name != "parking" {
        assert_eq!(arguments["x-delivery-limit"], 20, "{queue}");
        target("dead");
    }
}

/// Connections and consumers, by the process they belong to.
async fn names_as_in_the_contract(cluster: &Cluster, rabbitmq: &RabbitMq) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host has a name");
    let host = host.trim();
    let api = cluster.apis[0].pid().await.expect("it runs");
    let mut connections = vec![format!("task-center/api/{host}/{api}/publish")];
    let mut consumers = Vec::new();
    for worker in &cluster.workers {
        let pid = worker.pid().await.expect("it runs");
        for role in ["publish", "consume"] {
            connections.push(format!("task-center/worker/{host}/{pid}/{role}"));
        }
        for queue in ["submit", "poll"] {
            consumers.push(format!("{queue}-{host}-{pid}"));
        }
    }
    eventually(STATISTICS, "the connections to be listed", async || {
        let names = rabbitmq.connection_names().await;
        let all = connections.iter().all(|name| names.contains(name));
        all.then_some(())
    })
    .await;
    eventually(STATISTICS, "the consumers to be listed", async || {
        let found = rabbitmq.consumers().await;
        let tags = found
            .iter()
            .map(|consumer| short(&consumer["consumer_tag"]));
        let tags: Vec<String> = tags.collect();
        consumers.iter().all(|tag| tags.contains(tag)).then_some(())
    })
    .await;
}

/// A name without the prefix of this run.
fn short(name: &Value) -> String {
    let name = name.as_str().expect("a name is a text");
    let (_, rest) = name
        .split_once('.')
        .unwrap_or_else(|| panic!("{name} has no prefix"));
    rest.to_owned()
}

/// Nothing is parked, and nothing waits that nobody will look at.
async fn queues_are_empty(rabbitmq: &RabbitMq) {
    let mut full = Vec::new();
    let empty = in_time(STATISTICS, async || {
        full = rabbitmq.queues().await;
        full.retain(|queue| queue["messages"].as_i64() > Some(0));
        full.is_empty().then_some(())
    });
    if empty.await.is_some() {
        return;
    }
    for queue in &full {
        let name = short(&queue["name"]);
        let messages = rabbitmq.messages(&name, 3).await;
        eprintln!("{name} has {}, the first: {messages:#?}", queue["messages"]);
    }
    panic!("{} queues are not empty", full.len());
}

/// What the workers counted. One that was killed took its figures along.
struct Figures {
    claimed: u64,
    stale: u64,
    swept: u64,
    ids_per_call: f64,
}

impl Figures {
    async fn of(cluster: &Cluster, counts: &Value) -> Self {
        let metrics = Metrics::read(&cluster.workers).await;
        let polls = |turn: &str| metrics.sum("task_center_turns_total", &["work=\"poll\"", turn]);
        let fetches = &counts["fetches"];
        let number = |name: &str| fetches[name].as_f64().expect("a count is a number");
        Self {
            claimed: polls("turn=\"claimed\""),
            stale: polls("turn=\"stale\""),
            swept: metrics.sum("task_center_swept_tasks_total", &[]),
            ids_per_call: number("ids") / number("asked").max(1.0),
        }
    }
}

/// A count, for sums and comparisons.
fn amount(count: impl TryInto<i64>) -> i64 {
    count.try_into().ok().expect("it is a sane number")
}
