//! What must hold after every scenario, once all tasks have ended.

use std::collections::HashMap;
use std::time::Duration;

use harness::operator::Operator;
use harness::upstream::Upstream;
use tokio::time::{Instant, sleep};

use crate::count_check;
use crate::ledger_check::{Database, Sums, Tables};
use crate::run::Run;
use crate::submits::Submit;
use harness::cluster::Cluster;

/// What the tables must agree with.
#[derive(Debug, Default)]
pub struct Expected {
    pub submits: Vec<Submit>,
    /// The quota that was granted, by the user's name.
    pub granted: HashMap<String, i64>,
    /// Whether the scenario parks messages on purpose.
    pub parked: bool,
}

/// Waits until every task has ended, `within` a time, and checks everything. Violations and sums go
/// to the run's report.
pub async fn check(run: &Run, cluster: &Cluster, within: Duration, expected: &Expected) -> Sums {
    let settled = settled(cluster, within).await;
    run.fact("settled_after_s", settled.as_secs_f64());
    let database = Database::Postgres(cluster.connect().await);
    let upstreams = cluster.channels.iter().map(|channel| &channel.upstream);
    let sums = check_tables(run, database, &cluster.operator(), upstreams, expected).await;
    if !expected.parked
        && let Some(parked) = cluster.rabbitmq().parked().await
    {
        run.violation(format!("a message is parked: {parked}"));
    }
    sums
}

/// Waits until no task is unfinished; returns how long that took.
pub async fn settled(cluster: &Cluster, within: Duration) -> Duration {
    all_end(within, async || Database::Postgres(cluster.connect().await)).await
}

/// The same for any database.
pub async fn all_end(within: Duration, connect: impl AsyncFn() -> Database) -> Duration {
    let started = Instant::now();
    loop {
        let count = "SELECT count(*) FROM unfinished_tasks";
        let (unfinished,): (i64,) = connect().await.rows(count).await[0];
        let waited = started.elapsed();
        if unfinished == 0 {
            return waited;
        }
        assert!(
            waited < within,
            "{unfinished} tasks are unfinished, {within:?} after the last fault"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// Checks ledger, listing counts, upstreams and `audit` of any database.
pub async fn check_tables(
    run: &Run,
    mut database: Database,
    operator: &Operator,
    upstreams: impl Iterator<Item = &Upstream>,
    expected: &Expected,
) -> Sums {
    let tables = Tables::read(&mut database).await;
    let mut violations = tables.violations(expected);
    violations.extend(count_check::violations(&mut database).await);
    violations.extend(upstream_violations(run, upstreams, &tables).await);
    let audit = operator.run(&["audit"]).await;
    if audit.code != 0 {
        violations.push(format!("audit: {}{}", audit.stdout, audit.stderr));
    }
    for violation in violations {
        run.violation(violation);
    }
    run.fact("ledger", &tables.sums);
    tables.sums
}

/// The upstreams together accepted no task twice, and each SUCCESS once.
async fn upstream_violations(
    run: &Run,
    upstreams: impl Iterator<Item = &Upstream>,
    tables: &Tables,
) -> Vec<String> {
    let tasks = tables.tasks.iter().filter(|task| !task.title.is_empty());
    let tasks: Vec<_> = tasks.collect();
    let titles: Vec<String> = tasks.iter().map(|task| task.title.clone()).collect();
    let mut accepted = vec![0; titles.len()];
    let mut submits = 0;
    for upstream in upstreams {
        let counts = upstream.all_asked_and_accepted(&titles).await;
        for (total, (of_submits, of_accepted)) in accepted.iter_mut().zip(counts) {
            *total += of_accepted;
            submits += of_submits;
        }
    }
    run.fact("upstream_submits", submits);
    run.fact("upstream_accepted", accepted.iter().sum::<u64>());
    let most = accepted.iter().max().copied().unwrap_or_default();
    run.fact("upstream_accepted_most_of_one_task", most);
    let wrong = |(task, times): (&&crate::ledger_check::Task, &u64)| {
        let wrong = *times > 1 || task.status == "SUCCESS" && *times != 1;
        wrong.then(|| format!("{:?} was accepted {times} times upstream", task.title))
    };
    tasks.iter().zip(&accepted).filter_map(wrong).collect()
}
