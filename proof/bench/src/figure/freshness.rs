//! From the upstream's finish to our SUCCESS, with many in flight and one channel hanging.

use std::time::Duration;

use serde_json::json;
use shared::clock::{Clock as _, SystemClock};
use tokio::time::sleep;

use super::Effort;
use crate::flight::{Flight, broker};
use crate::report::Table;
use crate::site::Site;
use harness::spread::percentile;

/// The default pace, at its longest: what a task is polled at once it is half a minute old.
const INTERVAL: Duration = Duration::from_secs(30);
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "30s"), ("POLL_MAX_DELAY", "30s")];
/// The same for a short run.
const SHORT_INTERVAL: Duration = Duration::from_secs(2);
const SHORT_ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];

/// Tasks that end: this many groups, each at a moment of its own, spread over two intervals.
const GROUPS: u16 = 40;

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let interval = effort.size(INTERVAL, SHORT_INTERVAL);
    let many = effort.size(100_000, 400);
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
        let lags = lags(effort, count, interval).await;
        let (half, most) = (percentile(&lags, 0.5), percentile(&lags, 1.0));
        let p99 = percentile(&lags, 0.99);
        let of_few = *of_few.get_or_insert(p99);
        let ended = u32::try_from(lags.len()).unwrap_or_default();
        table.row(vec![
            f64::from(count).into(),
            f64::from(ended).into(),
            half.into(),
            p99.into(),
            most.into(),
            (p99 / of_few).into(),
            (p99 - interval.as_secs_f64()).into(),
        ]);
    }
    vec![table]
}

/// How long each of those that ended took to show, s; sorted.
async fn lags(effort: Effort, count: u32, interval: Duration) -> Vec<f64> {
    let site = Site::prepare(effort.size(ENV, SHORT_ENV)).await;
    let (good, channel) = site.channel("good", &[]).await;
    let (bad, hanging) = site.channel("bad", &["--faults", "fetch-hang=100%"]).await;
    let owner = site.user("bench", "user", 1_000_000_000_000_000, "").await;
    let broker = broker(&site).await;
    let _worker = site.worker("worker").await;

    // As many end as there are few, or a fortieth of many.
    let each = (count / u32::from(GROUPS) / 40).max(u32::from(100 / GROUPS) + 1);
    let ending = each * u32::from(GROUPS);
    let mut groups = Vec::new();
    // The first ends once everything is in its stride.
    let first = interval.mul_f64(1.2);
    for nth in 0..GROUPS {
        let takes = first + interval.mul_f64(2.0 * f64::from(nth) / f64::from(GROUPS));
        let life = json!({"takes": format!("{}ms", takes.as_millis())});
        let at = (&good, channel);
        let flight = Flight::take_off(&site, &owner, at, (100 + nth, each), life).await;
        groups.push((
            flight,
            flight.born + i64::try_from(takes.as_millis()).unwrap_or(0),
        ));
    }
    let never = json!({"takes": "0s", "stuck": true});
    let others = count.saturating_sub(ending).max(1);
    let at = (&good, channel);
    let others = Flight::take_off(&site, &owner, at, (1, others), never.clone()).await;
    let at = (&bad, hanging);
    let hung = Flight::take_off(&site, &owner, at, (2, (count / 10).max(1)), never).await;

    // Each group begins somewhere in the interval, as it would have come in.
    let staggered = async {
        for (flight, _) in &groups {
            flight.wake(&site, &broker, Duration::ZERO).await;
            sleep(interval / u32::from(GROUPS)).await;
        }
    };
    tokio::join!(
        staggered,
        others.wake(&site, &broker, interval),
        hung.wake(&site, &broker, interval / 4)
    );
    for (flight, _) in &groups {
        flight.landed(&site).await;
    }
    let mut connection = site.connect().await;
    let mut lags = Vec::new();
    for (flight, ended) in groups {
        let shown: Vec<i64> = sqlx::query_scalar(
            "SELECT at FROM task_events WHERE kind = 'ended' AND task_id >= $1 AND task_id < $2",
        )
        .bind(flight.first_row())
        .bind(flight.end_row())
        .fetch_all(&mut connection)
        .await
        .expect("PostgreSQL answers");
        let now = SystemClock.now().0;
        for at in shown {
            assert!(ended <= at && at <= now, "{ended} {at} {now}");
            #[expect(clippy::cast_precision_loss, reason = "some seconds")]
            lags.push((at - ended) as f64 / 1000.0);
        }
    }
    site.take_down().await;
    lags.sort_by(f64::total_cmp);
    lags
}
