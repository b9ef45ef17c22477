//! Money: random load, random faults, and the books after it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::check::{Expected, check};
use crate::load::Load;
use crate::member::Member;
use crate::monkey::trouble;
use crate::run::{Run, Scenario};
use crate::site::{Setup, Site};
use harness::spread::Tally;

/// The scenarios.
pub const SCENARIOS: [Scenario; 1] = [MONEY];

/// Everything at once.
const MONEY: Scenario = Scenario {
    name: "money",
    about: "Many users ask for songs, once, again, twice at once, and hang up, while workers, API, \
            RabbitMQ and PostgreSQL are killed, frozen and restarted at random and their connections \
            cut, reset and black-holed, in the middle of commits too.",
    harsh: true,
    lasts: Some(Duration::from_secs(45)),
    body: |run| Box::pin(money(run)),
};

const USERS: usize = 9;
const CLIENTS: u64 = 16;

/// How long everything may take to settle after the last fault: the deadline of a task that was
/// submitted last, its last polls, the sweep.
const SETTLE: Duration = Duration::from_mins(5);

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

async fn money(run: &Run) {
    let setup = Setup::default()
        .upstreams(&[("first", &FIRST), ("second", &SECOND)])
        .workers(2)
        .env("POLL_MAX_DELAY", "5s")
        .env("TASK_TIMEOUT", "3m");
    run.on_site(&setup, async |site| {
        let load = Arc::new(Load::on(site, USERS).await);
        let faults = Tally::default();
        let until = Instant::now() + run.duration;
        let troubled = async {
            trouble(site, run.seed, until, &faults).await;
            let last_fault = Instant::now();
            site.mend().await;
            load.stop();
            last_fault
        };
        let supervised = async { join_all(site.members().map(Member::supervise)).await };
        let last_fault = tokio::select! {
            ((), last_fault) = async { tokio::join!(load.go(CLIENTS, run.seed), troubled) } => last_fault,
            _ = supervised => unreachable!("a supervisor goes on for ever"),
        };
        report(run, site, &load, &faults).await;
        let expected = Expected {
            asked: load.record.all(),
            granted: load.granted(),
            ..Expected::default()
        };
        let sums = check(run, site, SETTLE, &expected).await;
        run.fact("settled_after_the_last_fault_s", last_fault.elapsed().as_secs_f64());
        run.fact("the_last_to_settle", story_of_the_last(site).await);
        assert!(sums.tasks.contains_key("SUCCESS"), "nothing was made: {sums:?}");
    })
    .await;
}

async fn report(run: &Run, site: &Site, load: &Load, faults: &Tally) {
    run.fact("clients", load.tally.all());
    run.fact("submits_answered_s", load.times.spread());
    run.fact("faults", faults.all());
    let ended = Tally::default();
    for member in site.members() {
        for _ in 0..member.take().await.ended_by_itself {
            ended.count(&member.name);
        }
    }
    run.fact("ended_by_themselves", ended.all());
}

/// The history of the task that settled last, to see what it waited for.
async fn story_of_the_last(site: &Site) -> String {
    let events: Vec<(i64, i64, String, String)> = sqlx::query_as(
        "SELECT at, turn, kind, detail FROM task_events
         WHERE task_id = (SELECT task_id FROM task_events ORDER BY id DESC LIMIT 1)
         ORDER BY id",
    )
    .fetch_all(&mut site.connect().await)
    .await
    .expect("the database reads");
    let first = events.first().map_or(0, |(at, ..)| *at);
    let lines = events
        .iter()
        .map(|(at, turn, kind, detail)| format!("{:+} ms turn {turn} {kind} {detail}", at - first));
    lines.collect::<Vec<_>>().join("; ")
}
