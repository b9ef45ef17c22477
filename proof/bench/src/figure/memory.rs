//! Memory of API and worker.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::Effort;
use crate::flight::{Flight, broker};
use crate::report::Table;
use crate::site::Site;
use harness::proc::Usage;

const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "20s"), ("POLL_MAX_DELAY", "20s")];
const SHORT_ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
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
    for count in effort.size([1_000, 100_000], [100, 400]) {
        let (worker, api) = used(effort, count).await;
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

async fn used(effort: Effort, count: u32) -> (Usage, Usage) {
    let site = Site::prepare(effort.size(ENV, SHORT_ENV)).await;
    let (upstream, channel) = site.channel("upstream", &[]).await;
    let (api, url) = site.api("api").await;
    let worker = site.worker("worker").await.0;
    let owner = site
        .user("bench", "user", 1_000_000_000_000_000, &url)
        .await;
    let broker = broker(&site).await;
    let never = json!({"takes": "0s", "stuck": true});
    let at = (&upstream, channel);
    let flight = Flight::take_off(&site, &owner, at, (1, count), never).await;
    let interval = effort.size(Duration::from_secs(20), Duration::from_secs(2));
    let started = Instant::now();
    let polling = async {
        // All at once is the worst that can be.
        flight.wake(&site, &broker, Duration::ZERO).await;
        flight.polled(&site, 2).await;
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
    site.take_down().await;
    used
}
