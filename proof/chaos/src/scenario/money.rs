//! Random load, random faults, and the ledger after them.

use harness::spread::Counters;
use std::sync::Arc;

use crate::lost_check;
use crate::random_faults;
use crate::random_load::Load;
use crate::scenario::prelude::*;

const USERS: usize = 9;
const CLIENTS: u64 = 16;

/// The limit for all tasks to end after the last fault: a deadline, the last polls, the sweep.
const SETTLED: Duration = Duration::from_mins(5);

const FIRST: [&str; 6] = [
    "--song-time",
    "1s..8s",
    "--lyrics-time",
    "500ms..2s",
    "--faults",
    "fail=5%,submit-429=3%,submit-503=2%,submit-drop-after=1%,missing=2%,fetch-503=2%",
];
const SECOND: [&str; 6] = [
    "--song-time",
    "500ms..3s",
    "--lyrics-time",
    "500ms..5s",
    "--faults",
    "fail=3%,submit-429-retry-after=1%,submit-drop-before=1%,unknown=2%,backwards=5%,fetch-429=2%",
];

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "money",
            "Many users submit songs once, repeatedly, several times at once, and disconnect, while \
             workers, APIs, RabbitMQ and PostgreSQL are killed, frozen and restarted at random and \
             their connections closed, reset, black-holed and mute, also in the middle of commits; logins are \
             refused, tables locked, and the machines' clocks differ.",
            money,
        )
        .lasts(45)
        .exclusive(),
    ]
}

async fn money(run: &Run) {
    let setup = Setup::default()
        .upstreams(&[("first", &FIRST), ("second", &SECOND)])
        .workers(2)
        .env("POLL_MAX_DELAY", "5s")
        .env("TASK_TIMEOUT", "3m")
        // Which worker sent a task.
        .env("RUST_LOG", "info,worker::submit=debug");
    let setup = Setup {
        clocks: vec![("worker-1", "+600s"), ("api-1", "-3600s")],
        ..setup
    };
    run.on_cluster(&setup, async |cluster| {
        let load = Arc::new(Load::on(cluster, USERS).await);
        let faults = Counters::default();
        let until = Instant::now() + run.duration;
        let inject = async {
            random_faults::inject(cluster, run.seed, until, &faults).await;
            let last_fault = Instant::now();
            cluster.mend().await;
            load.stop();
            last_fault
        };
        let supervise = async { join_all(cluster.nodes().map(Node::supervise)).await };
        let last_fault = tokio::select! {
            ((), last_fault) = async { tokio::join!(load.run(CLIENTS, run.seed), inject) } => last_fault,
            _ = supervise => unreachable!("a supervisor has no end"),
        };
        report(run, cluster, &load, &faults).await;
        let expected = Expected {
            submits: load.submits.all(),
            granted: load.granted(),
            ..Expected::default()
        };
        let sums = check(run, cluster, SETTLED, &expected).await;
        let settled = last_fault.elapsed().as_secs_f64();
        run.fact("settled_after_the_last_fault_s", settled);
        run.fact("the_last_to_settle", last_history(cluster).await);
        lost_check::check(run, cluster).await;
        assert!(sums.tasks.contains_key("SUCCESS"), "nothing was made: {sums:?}");
    })
    .await;
}

async fn report(run: &Run, cluster: &Cluster, load: &Load, faults: &Counters) {
    run.fact("clients", load.counters.all());
    run.fact("submits_answered_s", load.latency.spread());
    run.fact("faults", faults.all());
    let ended = Counters::default();
    for node in cluster.nodes() {
        for _ in 0..node.take().await.ended_by_itself {
            ended.count(&node.name);
        }
    }
    run.fact("ended_by_themselves", ended.all());
}

/// The history of the task that ended last: it shows what the task waited for.
async fn last_history(cluster: &Cluster) -> String {
    let events: Vec<(i64, i64, String, String)> = sqlx::query_as(
        "SELECT at, turn, kind, detail FROM task_events
         WHERE task_id = (SELECT task_id FROM task_events ORDER BY id DESC LIMIT 1)
         ORDER BY id",
    )
    .fetch_all(&mut cluster.connect().await)
    .await
    .expect("the database answers");
    let first = events.first().map_or(0, |(at, ..)| *at);
    let lines = events
        .iter()
        .map(|(at, turn, kind, detail)| format!("{:+} ms turn {turn} {kind} {detail}", at - first));
    lines.collect::<Vec<_>>().join("; ")
}
