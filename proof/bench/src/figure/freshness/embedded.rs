//! Few songs in flight in one process on `SQLite`, with its defaults; and then none, when it should ask nobody.

use std::time::Duration;

use harness::cluster::Backend;
use harness::proc::Usage;
use harness::programs::Program;
use tokio::time::sleep;

use super::stand::{Stand, pids};
use super::submitted::{self, IN_ONE_PROCESS};
use super::{Found, Part, Plan, by_part};
use crate::figure::Build;
use crate::figure::requirement::{Bound, Requirement};

/// Until what follows the last end is done.
const SETTLE: Duration = Duration::from_secs(20);

/// Processor time without anything to do, % of a core.
const IDLE: f64 = 0.5;

pub async fn measure(plan: &Plan) -> Found {
    if !plan.wants(Part::Embedded) {
        return Found::default();
    }
    let mut runs = Vec::new();
    let mut idle = Vec::new();
    for (number, build) in plan.builds.iter().enumerate() {
        if !has_task_center(build) {
            eprintln!("freshness: the other build has no task-center, embedded leaves it out");
            continue;
        }
        let mut stand = Box::pin(Stand::start(plan, Backend::OneProcess, build)).await;
        runs.push(submitted::run_all(plan, &mut stand, number, &[IN_ONE_PROCESS]).await);
        if number == 0 {
            idle = idle_time(plan, &stand).await;
        }
        stand.take_down().await;
    }
    let mut found = by_part(plan, runs, &[IN_ONE_PROCESS]);
    found.requirements.extend(idle);
    found
}

fn has_task_center(build: &Build) -> bool {
    let folder = build.0.as_ref();
    folder.is_none_or(|folder| folder.join(Program::TaskCenter.name()).is_file())
}

/// What the process does while nothing is in flight.
async fn idle_time(plan: &Plan, stand: &Stand) -> Vec<Requirement> {
    sleep(plan.size(SETTLE, Duration::ZERO)).await;
    let lasts = plan.size(Duration::from_mins(2), Duration::from_secs(1));
    let upstream = &stand.channel().upstream;
    let pids = pids(&stand.cluster.apis).await;
    let used = || pids.iter().map(|pid| Usage::of(*pid).cpu).sum::<Duration>();
    let (calls, cpu) = (upstream.fetches().await.calls, used());
    sleep(lasts).await;
    let cpu = used().saturating_sub(cpu).as_secs_f64() / lasts.as_secs_f64() * 100.0;
    let calls = upstream.fetches().await.calls - calls;
    let requirement = |what: &str, number, most| {
        let what = format!("{what} in {} s without a task", lasts.as_secs());
        Requirement::new(Part::Embedded.name(), what, number, Bound::AtMost(most))
    };
    vec![
        requirement("fetch calls", calls, 0.0),
        requirement("processor time, % of a core,", cpu, IDLE),
    ]
}
