//! Pages of both listings, by size, page and filter; beside `OFFSET` and `COUNT(*)` on the same table.

mod fill;
mod queries;
mod target;

use std::sync::Arc;

use harness::cluster::Cluster;
use harness::proc::Usage;
use harness::servers::Servers;
use harness::spread::percentile;
use sqlx::AssertSqlSafe;
use tokio::time::Instant;

use self::queries::Query;
use self::target::{Target, Times};
use super::Plan;
use crate::report::{Cell, Spread, Table};

const CLIENTS: usize = 2;

/// The queries that are also asked while statuses change all the time.
const WHILE_WRITTEN: [&str; 4] = [
    "own: first page",
    "all: first page",
    "all: status=FAILURE",
    "all: status=IN_PROGRESS",
];

/// The tasks in each database, with the name of that size.
const SIZES: [(i64, &str); 3] = [(10_000, "10⁴"), (1_000_000, "10⁶"), (10_000_000, "10⁷")];
const SHORT_SIZES: [(i64, &str); 2] = [(1_000, "10³"), (2_000, "2·10³")];

/// Measures this figure. The databases of all sizes stand side by side and are asked in turn, so that a minute in
/// which the machine is slow affects each of them.
pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let sizes = plan.size(&SIZES[..], &SHORT_SIZES[..]);
    let mut targets = Vec::new();
    for &(count, _) in sizes {
        targets.push(Target::prepare(servers, count).await);
    }
    let mut found = Found::default();
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {}", plan.rounds);
        for at in 0..targets[0].queries.len() {
            for (size, target) in targets.iter().enumerate() {
                let query = &target.queries[at];
                found.add(&query.name, size, target.ask(query, plan).await);
            }
        }
        for (size, target) in targets.iter().enumerate() {
            for (name, times) in target.ask_while_written(&WHILE_WRITTEN, plan).await {
                found.add(&format!("{name}, while written"), size, times);
            }
        }
    }
    let memory = memory(&targets, sizes);
    let largest = targets.last().expect("there is a size");
    let mut table = Table::new("listing", &about(), &columns(sizes));
    for (name, by_size) in &found.rows {
        let query = largest.queries.iter().find(|query| query.name == *name);
        let median = match query {
            Some(query) => plain_median(&largest.cluster, query, plan).await.into(),
            None => "".into(),
        };
        table.row(row(name, by_size, median));
    }
    vec![table, memory]
}

/// The rounds of each query, by size, in the order in which the queries were asked first.
#[derive(Default)]
struct Found {
    rows: Vec<(String, Vec<Vec<Times>>)>,
}

impl Found {
    fn add(&mut self, name: &str, size: usize, times: Times) {
        let known = self.rows.iter().position(|row| row.0 == name);
        let at = known.unwrap_or_else(|| {
            self.rows.push((name.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        let by_size = &mut self.rows[at].1;
        by_size.resize_with(by_size.len().max(size + 1), Vec::new);
        by_size[size].push(times);
    }
}

fn about() -> String {
    format!(
        "Both listings through HTTP, {CLIENTS} clients with kept connections, 20 tasks a page; each size in a database of \
         its own, on one server, asked in turn. `heavy` (own) has a tenth of all tasks; the newest tenth, 100,000 at most, \
         is unfinished. Page 1,000 is the last where there are fewer. While written: {} status changes a second. \
         All in ms. Plain: one statement with COUNT(*) and OFFSET, in the largest database.",
        target::CHANGES_A_SECOND
    )
}

fn columns(sizes: &[(i64, &str)]) -> Vec<String> {
    let mut columns = vec!["asked".to_owned()];
    for (_, size) in sizes {
        columns.extend([format!("{size}: p50"), format!("{size}: p99")]);
    }
    columns.push("p99 of the largest is so many times that of the smallest".to_owned());
    columns.push("plain: p50".to_owned());
    columns
}

fn row(name: &str, by_size: &[Vec<Times>], plain: Cell) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec![name.into()];
    for rounds in by_size {
        let p50 = Spread::of(rounds.iter().map(|times| times.p50));
        row.push(p50.median.into());
        row.push(Spread::of(rounds.iter().map(|times| times.p99)).into());
    }
    let (smallest, largest) = (&by_size[0], &by_size[by_size.len() - 1]);
    let ratios = largest.iter().zip(smallest);
    row.push(Spread::of(ratios.map(|(largest, smallest)| largest.p99 / smallest.p99)).into());
    row.push(plain);
    row
}

/// The median time of the plain statement, ms.
async fn plain_median(cluster: &Cluster, query: &Query, plan: &Plan) -> f64 {
    let mut connection = cluster.connect().await;
    let sql = format!(
        "WITH total AS (SELECT count(*) AS total FROM tasks t WHERE {plain}),
              page AS (SELECT t.*, u.name FROM tasks t JOIN users u ON u.id = t.user_id
                       WHERE {plain} ORDER BY t.id DESC LIMIT 20 OFFSET {offset})
         SELECT total.total, page.* FROM total LEFT JOIN page ON TRUE",
        plain = query.condition,
        offset = query.offset
    );
    let mut took = Vec::new();
    for _ in 0..plan.size(3, 1) {
        let started = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(sql.clone()));
        rows.fetch_all(&mut connection)
            .await
            .expect("PostgreSQL answers");
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    percentile(&took, 0.5)
}

fn memory(targets: &[Target], sizes: &[(i64, &str)]) -> Table {
    let about = "Memory (resident, MiB) of each database's API after all of its pages, and the most it had by \
                 then. The mark: 64 MiB.";
    let mut table = Table::new("listing: memory", about, &["tasks", "API", "API, most"]);
    for (target, (_, size)) in targets.iter().zip(sizes) {
        let used = Usage::of(target.api.pid());
        table.row(vec![
            (*size).into(),
            used.resident_mib.into(),
            used.peak_mib.into(),
        ]);
    }
    table
}
