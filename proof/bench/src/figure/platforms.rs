//! Songs of all platforms at once, while the upstream of one of them hangs; and what each costs in calls.

use std::sync::Arc;
use std::time::Duration;

use harness::client::Client;
use harness::cluster::Cluster;
use harness::dialects::DIALECTS;
use harness::programs::Program;
use harness::servers::Servers;
use harness::wait::eventually;
use tokio::time::{Instant, sleep_until};

use super::Plan;
use super::requirement::{Bound, Requirement};
use crate::cluster::{QUOTA, audit, cluster};
use crate::report::{Cell, Table};

/// The one that hangs.
const HANGING: &str = "mureka";
const HANGS: &[&str] = &["--faults", "submit-hang-before=100%,fetch-hang=100%"];

/// What was measured of a channel.
struct Measured {
    songs: usize,
    /// From the submit to our SUCCESS, s.
    p50: f64,
    p99: f64,
    submits: f64,
    fetches: f64,
}

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let well = run(plan, servers, None).await;
    let beside = run(plan, servers, Some(HANGING)).await;
    let about = "Songs of an upstream of each dialect, each of 10 s, at a steady rate by POST /v1/tasks or POST \
                 /suno/submit/music: the time from the submit until our SUCCESS, with all upstreams well, and while that \
                 of Mureka answers no call. An API and two workers on PostgreSQL and RabbitMQ. Calls are counted by the \
                 upstreams while all are well.";
    let columns = [
        "channel",
        "songs",
        "p50, s",
        "p99, s",
        "beside a hanging one: p50, s",
        "p99, s",
        "submits a song",
        "fetches a song",
    ];
    let mut table = Table::new("platforms", about, &columns);
    let mut must_hold = Table::new(
        "platforms: what must hold",
        "The p99 of each other platform while one hangs.",
        &["what", "measured", "must be", "holds"],
    );
    for (number, dialect) in DIALECTS.iter().enumerate() {
        let (well, beside) = (&well[number], &beside[number]);
        table.row(vec![
            dialect.name.into(),
            number_of(well.songs).into(),
            well.p50.into(),
            well.p99.into(),
            cell(beside.p50),
            cell(beside.p99),
            well.submits.into(),
            well.fetches.into(),
        ]);
        if dialect.name != HANGING {
            let what = format!(
                "{}: p99 beside a hanging one / p99 with all well",
                dialect.name
            );
            let ratio = beside.p99 / well.p99;
            let requirement = Requirement::new("platforms", what, ratio, Bound::AtMost(1.1));
            must_hold.row(requirement.row("").split_off(2));
        }
    }
    vec![table, must_hold]
}

fn number_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// One run: a channel of each of [`DIALECTS`], in their order. Songs of suno go to any channel of that platform.
async fn run(plan: &Plan, servers: &Arc<Servers>, hanging: Option<&str>) -> Vec<Measured> {
    let env = [
        ("POLL_INITIAL_DELAY", "5s"),
        ("UPSTREAM_SUBMIT_TIMEOUT", "60s"),
    ];
    let mut cluster = cluster(servers, &plan.builds[0], &env, &[]).await;
    let song = plan.size("10s", "1s");
    for dialect in DIALECTS {
        let hangs: &[&str] = if hanging == Some(dialect.name) {
            HANGS
        } else {
            &[]
        };
        let channel = [&["--max-tasks", "1000"], dialect.channel].concat();
        let simulator = [&["--song-time", song][..], hangs].concat();
        cluster
            .add_upstream(dialect.name, &simulator, &channel)
            .await;
    }
    let cluster = cluster;
    for form in DIALECTS.iter().filter_map(|dialect| dialect.form.as_ref()) {
        cluster
            .operator()
            .set_price(form.platform, "music", 1)
            .await;
    }
    let (_api, url) = cluster.process(Program::Api, "api").await;
    let _workers = [
        cluster.process(Program::Worker, "worker-1").await,
        cluster.process(Program::Worker, "worker-2").await,
    ];
    let user = cluster.user("bench", QUOTA).await.at(&url);
    let every = Duration::from_millis(200);
    let count = plan.size(500, 5);
    let submitting = DIALECTS.iter().map(|dialect| {
        let user = Client {
            form: dialect.form.as_ref(),
            ..user.clone()
        };
        async move {
            let mut next = Instant::now();
            for number in 0..count {
                sleep_until(next).await;
                next += every;
                user.song(&format!("{} {number}", dialect.name)).await;
            }
        }
    });
    futures_util::future::join_all(submitting).await;
    wait_for_ends(plan, &cluster, hanging).await;
    let mut measured = Vec::new();
    for (number, dialect) in DIALECTS.iter().enumerate() {
        let counts = cluster.channels[number].upstream.counts().await;
        let times = times(&cluster, dialect.name).await;
        let songs = times.len().max(1);
        let calls = |kind: &str| counts[kind]["asked"].as_f64().unwrap_or(0.0) / number_of(songs);
        measured.push(Measured {
            songs: times.len(),
            p50: at_rank(&times, 0.5),
            p99: at_rank(&times, 0.99),
            submits: calls("submits"),
            fetches: calls("fetches"),
        });
    }
    if hanging.is_none() {
        audit(&cluster).await;
    }
    measured
}

/// Waits until no task is unfinished, but for those of the platform that hangs.
async fn wait_for_ends(plan: &Plan, cluster: &Cluster, hanging: Option<&str>) {
    let mut connection = cluster.connect().await;
    let limit = plan.size(Duration::from_mins(3), Duration::from_mins(1));
    eventually(limit, "the end of all songs", async || {
        let unfinished = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM unfinished_tasks u JOIN tasks t ON t.id = u.id WHERE t.platform <> $1)",
        );
        let unfinished: bool = unfinished
            .bind(hanging.unwrap_or_default()) // $1 platform
            .fetch_one(&mut connection)
            .await
            .expect("PostgreSQL answers");
        (!unfinished).then_some(())
    })
    .await;
}

/// How long each song that succeeded at the channel took from its submit, s, in ascending order.
async fn times(cluster: &Cluster, channel: &str) -> Vec<f64> {
    let mut connection = cluster.connect().await;
    let millis: Vec<i64> = sqlx::query_scalar(
        "SELECT e.at - s.at
         FROM tasks t
         JOIN channels c ON c.id = t.channel_id AND c.name = $1
         JOIN task_events s ON s.task_id = t.id AND s.kind = 'stored'
         JOIN task_events e ON e.task_id = t.id AND e.kind = 'ended'
         WHERE t.status = 'SUCCESS'
         ORDER BY 1",
    )
    .bind(channel) // $1 name
    .fetch_all(&mut connection)
    .await
    .expect("PostgreSQL answers");
    let seconds = |millis: i64| Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
    millis.into_iter().map(seconds).collect()
}

/// A time; none where no song ended.
fn cell(seconds: f64) -> Cell {
    if seconds.is_nan() {
        "none".into()
    } else {
        seconds.into()
    }
}

/// The value of this rank, from 0 to 1; not a number where there are none.
fn at_rank(sorted: &[f64], rank: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank of a list is a place in it"
    )]
    let place = (number_of(sorted.len()) * rank) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(place.min(last)).copied().unwrap_or(f64::NAN)
}
