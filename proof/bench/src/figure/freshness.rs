//! From the upstream's finish to our SUCCESS, with many in flight and one channel that hangs.

use std::sync::Arc;
use std::time::Duration;

use harness::programs::Program;
use harness::servers::Servers;
use harness::spread::percentile;
use shared::clock::{Clock as _, SystemClock};
use tokio::time::sleep;

use super::{Build, Plan};
use crate::cluster::{QUOTA, cluster, wait_for_fold};
use crate::report::Table;
use crate::seeded_tasks::{SeededTasks, broker};

/// The longest default interval between polls, which a task reaches when it is half a minute old.
const INTERVAL: Duration = Duration::from_secs(30);
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "30s"), ("POLL_MAX_DELAY", "30s")];
/// The same for a short run.
const SHORT_INTERVAL: Duration = Duration::from_secs(2);
const SHORT_ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];

/// The tasks that end form this many groups. Each group ends at its own moment, spread over two intervals.
const GROUPS: u16 = 40;

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let interval = plan.size(INTERVAL, SHORT_INTERVAL);
    let many = plan.size(100_000, 400);
    let few = 100;
    let about = format!(
        "From the moment at which the upstream finished a song until our SUCCESS, polled every {} s: of \
         songs that end spread over two intervals, while the others in flight do not end. One worker. \
         A tenth of all that is in flight, beside it, is at a channel that never answers a fetch. The \
         mark: p99 within the interval and 1 s, and within 1.2 times that of few.",
        interval.as_secs()
    );
    let columns = [
        "in flight",
        "that ended",
        "p50, s",
        "p99, s",
        "most, s",
        "p99 so many times that of few",
        "p99 beyond the interval, s",
    ];
    let mut table = Table::new("freshness", &about, &columns);
    let mut of_few = None;
    for count in [few, many] {
        let lags = lags(plan, servers, count, interval).await;
        let p99 = percentile(&lags, 0.99);
        let of_few = *of_few.get_or_insert(p99);
        let ended = u32::try_from(lags.len()).unwrap_or_default();
        table.row(vec![
            f64::from(count).into(),
            f64::from(ended).into(),
            percentile(&lags, 0.5).into(),
            p99.into(),
            percentile(&lags, 1.0).into(),
            (p99 / of_few).into(),
            (p99 - interval.as_secs_f64()).into(),
        ]);
    }
    vec![table]
}

/// The time between the upstream's finish and our SUCCESS for each task that ended, s; sorted.
async fn lags(plan: &Plan, servers: &Arc<Servers>, count: u32, interval: Duration) -> Vec<f64> {
    let env = plan.size(ENV, SHORT_ENV);
    let hangs = ["--faults", "fetch-hang=100%"];
    let upstreams: [(_, &[_]); 2] = [("good", &[]), ("bad", &hangs)];
    let cluster = cluster(servers, &Build::default(), env, &upstreams).await;
    let (good, bad) = (&cluster.channels[0], &cluster.channels[1]);
    let owner = cluster.user("bench", QUOTA).await;
    let broker = broker(&cluster).await;
    let _worker = cluster.process(Program::Worker, "worker").await;
    let seed =
        async |channel, of, after| SeededTasks::seed(&cluster, &owner, channel, of, after).await;

    // About a hundred tasks end, or a fortieth of many.
    let each = (count / u32::from(GROUPS) / 40).max(u32::from(100 / GROUPS) + 1);
    let ending = each * u32::from(GROUPS);
    let mut groups = Vec::new();
    // The first group ends when polling is in full swing.
    let first = interval.mul_f64(1.2);
    for nth in 0..GROUPS {
        let after = first + interval.mul_f64(2.0 * f64::from(nth) / f64::from(GROUPS));
        let group = seed(good, (100 + nth, each), Some(after)).await;
        let finished_at = group.made_at + i64::try_from(after.as_millis()).unwrap_or(0);
        groups.push((group, finished_at));
    }
    let others = seed(good, (1, count.saturating_sub(ending).max(1)), None).await;
    let hanging = seed(bad, (2, (count / 10).max(1)), None).await;
    wait_for_fold(&cluster).await;

    // The polls of real tasks are spread over the interval too.
    let staggered = async {
        for (group, _) in &groups {
            group.publish(&cluster, &broker, Duration::ZERO).await;
            sleep(interval / u32::from(GROUPS)).await;
        }
    };
    tokio::join!(
        staggered,
        others.publish(&cluster, &broker, interval),
        hanging.publish(&cluster, &broker, interval / 4)
    );
    for (group, _) in &groups {
        group.wait_for_end(&cluster).await;
    }
    let mut connection = cluster.connect().await;
    let mut lags = Vec::new();
    for (group, finished_at) in groups {
        let ended: Vec<i64> = sqlx::query_scalar(
            "SELECT at FROM task_events WHERE kind = 'ended' AND task_id >= $1 AND task_id < $2",
        )
        .bind(group.first_row())
        .bind(group.end_row())
        .fetch_all(&mut connection)
        .await
        .expect("PostgreSQL answers");
        let now = SystemClock.now().0;
        for at in ended {
            assert!(finished_at <= at && at <= now, "{finished_at} {at} {now}");
            #[expect(clippy::cast_precision_loss, reason = "a lag is some seconds")]
            lags.push((at - finished_at) as f64 / 1000.0);
        }
    }
    lags.sort_by(f64::total_cmp);
    lags
}
