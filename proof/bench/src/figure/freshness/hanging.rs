//! Many songs in flight at a channel without a bound of calls, beside a channel that never answers a fetch.

use std::sync::Arc;
use std::time::Duration;

use harness::cluster::Cluster;
use harness::programs::Program;
use harness::servers::Servers;
use shared::clock::{Clock as _, SystemClock};
use tokio::time::sleep;

use super::measured::{BUILDS, Late, Measured, seconds};
use super::{Found, Part, Plan};
use crate::cluster::{QUOTA, cluster, wait_for_fold};
use crate::figure::Build;
use crate::figure::requirement::{Bound, Requirement};
use crate::seeded_tasks::{SeededTasks, broker};

/// The longest default interval between polls.
const INTERVAL: Duration = Duration::from_secs(30);
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "30s"), ("POLL_MAX_DELAY", "30s")];
/// The same for a short run.
const SHORT_INTERVAL: Duration = Duration::from_secs(2);
const SHORT_ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];

/// The tasks that end form this many groups. Each group ends at its own moment, spread over two intervals.
const GROUPS: u16 = 40;

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Found {
    let mut found = Found::default();
    if !plan.wants(Part::Hanging) {
        return found;
    }
    let interval = plan.size(INTERVAL, SHORT_INTERVAL);
    for count in [100, plan.size(100_000, 400)] {
        let measured = Measured {
            part: Part::Hanging.name(),
            who: BUILDS[0],
            in_flight: count.into(),
            late: Late::of(lags(plan, servers, count, interval).await, 0),
            calls: None,
            cpu: None,
        };
        eprintln!("freshness: {measured}");
        found.measured.push(measured);
    }
    let p99 = |of: &Measured| of.late.map(|late| late.p99);
    let [few, many] = [0, 1].map(|nth| &found.measured[nth]);
    let ratio = p99(many).zip(p99(few)).map(|(many, few)| many / few);
    let requirement = |what: &str, number, most| {
        let what = format!("{what}, {} in flight, a tenth as many hang", many.in_flight);
        Requirement::new(Part::Hanging.name(), what, number, Bound::AtMost(most))
    };
    found.requirements = vec![
        requirement(
            &format!("p99 of lateness, s, looks every {} s", interval.as_secs()),
            p99(many),
            interval.as_secs_f64() + 1.0,
        ),
        requirement("p99 / that of 100 in flight", ratio, 1.2),
    ];
    found
}

/// The time between the upstream's finish and our SUCCESS for each task that ended, s. One worker.
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
    lags_of(&cluster, groups).await
}

/// The lags of groups that have ended, of each group that the upstream finished then.
async fn lags_of(cluster: &Cluster, groups: Vec<(SeededTasks, i64)>) -> Vec<f64> {
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
            lags.push(seconds(u64::try_from(at - finished_at).unwrap_or_default()));
        }
    }
    lags
}
