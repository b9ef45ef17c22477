//! Very many songs in flight over ten channels. They are laid into the database at mixed ages, as submits of so many
//! would take longer than songs do.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use harness::cluster::Cluster;
use harness::fetches::Fetches;
use harness::places::Made;
use harness::process::Process;
use harness::programs::Program;
use harness::servers::Servers;
use tokio::time::{Instant, sleep, sleep_until};

use super::baseline::{LOOP, loop_over_the_oldest};
use super::load::Times;
use super::measured::{BUILDS, Calls, Measured, Window, lateness};
use super::{Found, Part, Plan, each};
use crate::cluster::{QUOTA, cluster, wait_for_fold};
use crate::cpu_time::{CpuTime, Processes};
use crate::figure::Build;
use crate::figure::requirement::{Bound, Requirement};
use crate::seeded_tasks::{SeededTasks, broker};

const CHANNELS: [&str; 10] = [
    "laid-0", "laid-1", "laid-2", "laid-3", "laid-4", "laid-5", "laid-6", "laid-7", "laid-8",
    "laid-9",
];

/// The most calls a second at each channel.
const CALLS: &str = "10";
const MOST_IN_10S: f64 = 100.0;

/// A channel's songs are published within the time that as many calls take.
const IDS_A_SECOND: u32 = 1_000;

/// For a short run. A full run has the defaults.
const SHORT_ENV: [(&str, &str); 2] = [("POLL_INITIAL_DELAY", "1s"), ("POLL_MAX_DELAY", "2s")];

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Found {
    let mut found = Found::default();
    if !plan.wants(Part::Laid) {
        return found;
    }
    let runs = BUILDS.into_iter().zip(&plan.builds);
    let runs = runs
        .map(|(who, build)| Box::pin(run(plan, servers, build, who)) as LocalBoxFuture<'_, Run>);
    let runs: Vec<Run> = each(plan, runs.collect()).await;
    if let Some((this_build, made, window)) = runs.first() {
        found.requirements = requirements(this_build);
        found.measured.push(Measured {
            who: LOOP,
            late: loop_over_the_oldest(made, *window),
            calls: None,
            cpu: None,
            ..this_build.clone()
        });
    }
    let measured = runs.into_iter().map(|(measured, _, _)| measured);
    found.measured.splice(0..0, measured);
    found
}

fn requirements(measured: &Measured) -> Vec<Requirement> {
    let late = measured.late;
    let calls = measured.calls.map(|calls| calls.most_in_10s);
    let requirement = |what: &str, number, most| {
        let what = format!("{what}, {} laid at ten channels", measured.in_flight);
        Requirement::new(Part::Laid.name(), what, number, Bound::AtMost(most))
    };
    vec![
        requirement("mean lateness, s", late.map(|late| late.mean), 6.0),
        requirement("p99 of lateness, s", late.map(|late| late.p99), 20.0),
        requirement("most calls in any 10 s at a channel", calls, MOST_IN_10S),
    ]
}

/// What a build was measured to do, the lives of all songs, and the window.
type Run = (Measured, Vec<Made>, Window);

/// A cluster with its songs laid.
struct Laid {
    cluster: Cluster,
    series: Vec<SeededTasks>,
    made: Vec<Made>,
    workers: Vec<Process>,
}

async fn run(plan: &Plan, servers: &Arc<Servers>, build: &Build, who: &'static str) -> Run {
    eprintln!("freshness: laid, {who} …");
    let times = Times::of(plan);
    let each: u32 = plan.size(10_000, 20);
    let ready = Instant::now() + plan.size(Duration::from_secs(90), Duration::from_secs(8));
    let laid = lay(plan, servers, build, each, ready).await;
    let broker = broker(&laid.cluster).await;
    sleep_until(ready).await;
    let over = Duration::from_secs(1) * each / IDS_A_SECOND;
    let (before, cpu_before) = (laid.fetches().await, laid.cpu().await);
    let published = laid
        .series
        .iter()
        .map(|tasks| tasks.publish(&laid.cluster, &broker, over));
    let sample = plan.size(Duration::from_secs(100), Duration::from_secs(1));
    let sampled = async {
        sleep(sample).await;
        (laid.fetches().await, laid.cpu().await)
    };
    let (_, (after, cpu)) = tokio::join!(join_all(published), sampled);
    sleep(times.longest.saturating_sub(sample)).await;
    let from = before.iter().map(|one| one.at).fold(0.0, f64::max);
    let window = Window::of(from, times.longest);
    let late = lateness(&laid.cluster, &laid.made, window, times.patience).await;
    let measured = Measured {
        part: Part::Laid.name(),
        who,
        in_flight: f64::from(each) * laid.series.iter().map(|_| 1.0).sum::<f64>(),
        late,
        calls: Some(together(&before, &after, &laid.fetches().await)),
        cpu: Some(cpu.per_task(cpu_before, sample.as_secs_f64())),
    };
    eprintln!("freshness: {measured}");
    drop(broker);
    drop(laid.workers);
    laid.cluster.take_down().await;
    (measured, laid.made, window)
}

/// Starts a cluster with its workers, and lays the songs, which are in flight at mixed ages at the moment at which it
/// should be `ready`.
async fn lay(
    plan: &Plan,
    servers: &Arc<Servers>,
    build: &Build,
    each: u32,
    ready: Instant,
) -> Laid {
    let times = Times::of(plan);
    let env: &[_] = plan.size(&[], &SHORT_ENV);
    let mut cluster = cluster(servers, build, env, &[]).await;
    let channels = &CHANNELS[..plan.size(CHANNELS.len(), 2)];
    for name in channels {
        let channel = ["--polls-per-second", CALLS];
        cluster
            .add_upstream(name, &times.simulator(), &channel)
            .await;
    }
    let mut workers = Vec::new();
    for name in ["worker-1", "worker-2"] {
        workers.push(cluster.process(Program::Worker, name).await.0);
    }
    let owner = cluster.user("bench", QUOTA).await;
    let (mut series, mut made) = (Vec::new(), Vec::new());
    for (channel, number) in cluster.channels.iter().zip(1..) {
        let left = ready.saturating_duration_since(Instant::now());
        let of = (number, each);
        let (tasks, lives) = SeededTasks::seed_in_flight(&cluster, &owner, channel, of, left).await;
        series.push(tasks);
        made.extend(lives);
    }
    wait_for_fold(&cluster).await;
    if Instant::now() > ready {
        eprintln!(
            "freshness: to lay {} songs took too long, some have ended",
            made.len()
        );
    }
    Laid {
        cluster,
        series,
        made,
        workers,
    }
}

impl Laid {
    /// What each upstream knows of its fetches.
    async fn fetches(&self) -> Vec<Fetches> {
        let channels = self.cluster.channels.iter();
        join_all(channels.map(|channel| channel.upstream.fetches())).await
    }

    async fn cpu(&self) -> CpuTime {
        let upstreams = self.cluster.channels.iter();
        let processes = Processes {
            apis: Vec::new(),
            workers: self.workers.iter().map(Process::pid).collect(),
            upstreams: upstreams.map(|channel| channel.upstream.pid()).collect(),
        };
        CpuTime::so_far(&self.cluster, &processes).await
    }
}

/// The calls of all channels between two moments; the most in ten seconds is that of one channel, until the end.
fn together(before: &[Fetches], after: &[Fetches], end: &[Fetches]) -> Calls {
    let of_channels = before.iter().zip(after).zip(end);
    let calls: Vec<Calls> = of_channels
        .map(|((before, after), end)| Calls::between(before, after, end))
        .collect();
    let a_second: f64 = calls.iter().map(|calls| calls.a_second).sum();
    let ids: f64 = calls
        .iter()
        .map(|calls| calls.a_second * calls.ids_a_call)
        .sum();
    let all = end.iter().map(|end| end.calls).sum::<f64>();
    let refused = end.iter().map(|end| end.refused).sum::<f64>();
    Calls {
        a_second,
        ids_a_call: if a_second > 0.0 { ids / a_second } else { 0.0 },
        most_in_10s: calls
            .iter()
            .map(|calls| calls.most_in_10s)
            .fold(0.0, f64::max),
        refused: refused / all.max(1.0),
    }
}
