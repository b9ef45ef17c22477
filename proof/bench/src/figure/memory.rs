//! Memory of API and worker.

use std::sync::Arc;
use std::time::Duration;

use harness::proc::Usage;
use harness::programs::Program;
use harness::servers::Servers;
use tokio::time::{Instant, sleep};

use super::{Build, Plan};
use crate::cluster::{QUOTA, cluster, wait_for_fold};
use crate::report::Table;
use crate::seeded_tasks::{SeededTasks, broker};

const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "20s"), ("POLL_MAX_DELAY", "20s")];
const SHORT_ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let about = "Memory (resident, MiB) of a worker and of an API after everything in flight was polled \
                 at least twice, and the most it had by then; the API answers pages of twenty meanwhile, \
                 one client after the other. The mark: 64 MiB each.";
    let columns = [
        "in flight",
        "worker",
        "worker, most",
        "API, light load",
        "API, light load, most",
    ];
    let mut table = Table::new("memory", about, &columns);
    for count in plan.size([1_000, 100_000], [100, 400]) {
        let (worker, api) = used(plan, servers, count).await;
        table.row(vec![
            f64::from(count).into(),
            worker.resident_mib.into(),
            worker.peak_mib.into(),
            api.resident_mib.into(),
            api.peak_mib.into(),
        ]);
    }
    vec![table]
}

/// What a worker and an API use.
async fn used(plan: &Plan, servers: &Arc<Servers>, count: u32) -> (Usage, Usage) {
    let env = plan.size(ENV, SHORT_ENV);
    let cluster = cluster(servers, &Build::default(), env, &[("upstream", &[])]).await;
    let channel = &cluster.channels[0];
    let (api, url) = cluster.process(Program::Api, "api").await;
    let (worker, _) = cluster.process(Program::Worker, "worker").await;
    let owner = cluster.user("bench", QUOTA).await.at(&url);
    let broker = broker(&cluster).await;
    let tasks = SeededTasks::seed(&cluster, &owner, channel, (1, count), None).await;
    wait_for_fold(&cluster).await;
    let interval = plan.size(Duration::from_secs(20), Duration::from_secs(2));
    let started = Instant::now();
    let polling = async {
        // All at once is the worst case.
        tasks.publish(&cluster, &broker, Duration::ZERO).await;
        tasks.wait_for_polls(&cluster, 2).await;
    };
    let listing = async {
        while started.elapsed() < interval {
            owner.page("/api/task/self?page_size=20").await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(polling, listing);
    let used = (Usage::of(worker.pid()), Usage::of(api.pid()));
    drop((api, worker));
    used
}
