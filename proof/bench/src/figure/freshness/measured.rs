//! What was measured of lateness: the time from the upstream's end of a song until our SUCCESS.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use harness::cluster::Cluster;
use harness::fetches::Fetches;
use harness::places::Made;
use harness::spread::percentile;
use shared::clock::{Clock as _, SystemClock};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::time::{Instant, sleep};

use crate::cpu_time::{CpuTime, Part as Program};
use crate::report::{Cell, Table};

/// The programs beside this one, and those of `--beside`.
pub const BUILDS: [&str; 2] = ["this build", "the other build"];

/// A time in which ends count, ms since 1970. The upstream, the programs and the database have one machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

impl Window {
    /// A window that begins then, in ms since 1970.
    pub fn of(from: f64, lasts: Duration) -> Self {
        let from = milliseconds(from);
        let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        Self {
            from,
            to: from.saturating_add(lasts),
        }
    }

    /// The window between two answers of the upstream.
    pub fn between(before: &Fetches, after: &Fetches) -> Self {
        Self {
            from: milliseconds(before.at),
            to: milliseconds(after.at),
        }
    }

    pub fn holds(self, at: u64) -> bool {
        (self.from..self.to).contains(&at)
    }

    pub fn seconds(self) -> f64 {
        seconds(self.to.saturating_sub(self.from))
    }

    /// How many of these were in flight at the upstream at once, on average over the window.
    pub fn in_flight(self, made: &[Made]) -> f64 {
        let within = |one: &Made| {
            let (from, to) = (one.from, one.to.unwrap_or(u64::MAX));
            seconds(to.min(self.to).saturating_sub(from.max(self.from)))
        };
        made.iter().map(within).sum::<f64>() / self.seconds()
    }
}

/// Lateness, s.
#[derive(Debug, Clone, Copy)]
pub struct Late {
    /// How many ends it is of.
    pub ends: usize,
    /// How many of the ends were never seen. They count as late until we stopped waiting.
    pub never_seen: usize,
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub most: f64,
}

impl Late {
    /// `None` of nothing.
    pub fn of(mut late: Vec<f64>, never_seen: usize) -> Option<Self> {
        if late.is_empty() {
            return None;
        }
        late.sort_by(f64::total_cmp);
        let count: f64 = late.iter().map(|_| 1.0).sum();
        Some(Self {
            ends: late.len(),
            never_seen,
            mean: late.iter().sum::<f64>() / count,
            p50: percentile(&late, 0.5),
            p99: percentile(&late, 0.99),
            most: percentile(&late, 1.0),
        })
    }
}

/// How often the upstream was asked in a window.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    pub a_second: f64,
    pub ids_a_call: f64,
    /// The most in any ten seconds, from the first call on.
    pub most_in_10s: f64,
    /// The share of all calls so far that got 429.
    pub refused: f64,
}

impl Calls {
    /// The calls between two moments; what counts from the first call on counts until the `end`.
    pub fn between(before: &Fetches, after: &Fetches, end: &Fetches) -> Self {
        let passed = (after.at - before.at) / 1000.0;
        let calls = after.calls - before.calls;
        Self {
            a_second: calls / passed,
            ids_a_call: (after.ids - before.ids) / calls.max(1.0),
            most_in_10s: end.most_in_10s,
            refused: end.refused / end.calls.max(1.0),
        }
    }
}

/// What was measured, or computed, of one who looks.
#[derive(Debug, Clone)]
pub struct Measured {
    pub part: &'static str,
    /// Who looks.
    pub who: &'static str,
    pub in_flight: f64,
    pub late: Option<Late>,
    pub calls: Option<Calls>,
    /// Processor time, µs a second.
    pub cpu: Option<CpuTime>,
}

impl Measured {
    /// A table without rows.
    pub fn table(about: &str) -> Table {
        let columns = [
            "part",
            "who looks",
            "in flight",
            "ends",
            "mean, s",
            "p50, s",
            "p99, s",
            "most, s",
            "calls a second",
            "ids a call",
            "most calls in 10 s",
            "429, share of calls",
            "API, % of a core",
            "workers, %",
            "RabbitMQ, %",
            "PostgreSQL, %",
        ];
        Table::new("freshness: lateness", about, &columns)
    }

    pub fn row(&self) -> Vec<Cell> {
        let late = |of: fn(&Late) -> f64| self.late.as_ref().map(of);
        let calls = |of: fn(&Calls) -> f64| self.calls.as_ref().map(of);
        let cpu = |of: Program| self.cpu.map(|cpu| cpu.of(of) / 1e4);
        let ends = match self.late {
            None => "none".to_owned(),
            Some(late) if late.never_seen > 0 => {
                format!("{}, {} never seen", late.ends, late.never_seen)
            }
            Some(late) => late.ends.to_string(),
        };
        let numbers = [
            late(|late| late.mean),
            late(|late| late.p50),
            late(|late| late.p99),
            late(|late| late.most),
            calls(|calls| calls.a_second),
            calls(|calls| calls.ids_a_call),
            calls(|calls| calls.most_in_10s),
            calls(|calls| calls.refused),
            cpu(Program::Api),
            cpu(Program::Worker),
            cpu(Program::RabbitMq),
            cpu(Program::Postgres),
        ];
        let numbers = numbers.map(|number| number.map_or("".into(), Cell::from));
        let texts = [self.part.into(), self.who.into()];
        let texts = texts
            .into_iter()
            .chain([self.in_flight.into(), ends.into()]);
        texts.chain(numbers).collect()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<String> = self.row().iter().map(Cell::to_string).collect();
        out.write_str(&cells.join(" | "))
    }
}

/// The lateness of the ends in the window. Waits until all of them are seen, or for as long as `patience` says.
pub async fn lateness(
    cluster: &Cluster,
    made: &[Made],
    window: Window,
    patience: Duration,
) -> Option<Late> {
    let ends = made.iter().filter_map(|one| Some((one, one.to?)));
    let ends: Vec<(&Made, u64)> = ends.filter(|(_, to)| window.holds(*to)).collect();
    let started = Instant::now();
    loop {
        let seen = seen_since(cluster, window.from).await;
        let never = ends
            .iter()
            .filter(|(one, _)| !seen.contains_key(&one.task_id));
        let never = never.count();
        if never > 0 && started.elapsed() < patience {
            sleep(Duration::from_secs(1)).await;
            continue;
        }
        let now = u64::try_from(SystemClock.now().0).unwrap_or_default();
        let late = ends.iter().map(|(one, to)| {
            let at = seen.get(&one.task_id).copied().unwrap_or(now);
            seconds(at.saturating_sub(*to))
        });
        return Late::of(late.collect(), never);
    }
}

/// When each task that ended since then was seen to have ended, by the upstream's id, ms since 1970.
async fn seen_since(cluster: &Cluster, since: u64) -> HashMap<String, u64> {
    let sql = AssertSqlSafe(format!(
        "SELECT t.upstream_id, e.at FROM task_events e JOIN tasks t ON t.id = e.task_id
         WHERE e.kind = 'ended' AND e.at >= {since} AND t.upstream_id IS NOT NULL"
    ));
    let found: Result<Vec<(String, i64)>, _> = if cluster.is_one_process() {
        let file = SqliteConnectOptions::new().filename(cluster.sqlite_file());
        let mut file = file.connect().await.expect("the file opens");
        sqlx::query_as(sql).fetch_all(&mut file).await
    } else {
        let mut connection = cluster.connect().await;
        sqlx::query_as(sql).fetch_all(&mut connection).await
    };
    let found = found.expect("the database answers").into_iter();
    found
        .map(|(id, at)| (id, u64::try_from(at).unwrap_or_default()))
        .collect()
}

pub fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

fn milliseconds(at: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a time since 1970, in whole ms"
    )]
    let at = at as u64;
    at
}
