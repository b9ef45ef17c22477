//! Pages of both listings, by size, page and filter; beside `OFFSET` and `COUNT(*)` on the same table.

mod fill;
mod place;
mod questions;

use sqlx::AssertSqlSafe;
use tokio::time::Instant;

use self::place::{Asked, Place};
use self::questions::Question;

use super::Effort;
use crate::report::{Cell, Spread, Table};
use crate::site::Site;
use harness::proc::Usage;
use harness::spread::percentile;

/// So many clients ask at once: as many as there are cores.
const CLIENTS: usize = 2;

/// What is asked while statuses change all the time, too.
const WHILE_WRITTEN: [&str; 4] = [
    "own: first page",
    "all: first page",
    "all: status=FAILURE",
    "all: status=IN_PROGRESS",
];

/// How many tasks there are, in each of the databases.
const SIZES: [(i64, &str); 3] = [(10_000, "10⁴"), (1_000_000, "10⁶"), (10_000_000, "10⁷")];
const SHORT_SIZES: [(i64, &str); 2] = [(1_000, "10³"), (2_000, "2·10³")];

/// Measures all of it. All sizes stand beside each other and are asked in turn, so that a minute in which
/// the machine is slow is one for each of them.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let sizes = effort.size(&SIZES[..], &SHORT_SIZES[..]);
    let servers = Site::servers().await;
    let mut places = Vec::new();
    for &(count, _) in sizes {
        places.push(Place::prepare(servers.clone(), count).await);
    }
    let mut found = Found::default();
    for round in 1..=effort.rounds {
        eprintln!("round {round} of {}", effort.rounds);
        for at in 0..places[0].questions.len() {
            for (size, place) in places.iter().enumerate() {
                let question = &place.questions[at];
                found.add(&question.name, size, place.ask(question, effort).await);
            }
        }
        for (size, place) in places.iter().enumerate() {
            for (name, asked) in place.ask_while_written(&WHILE_WRITTEN, effort).await {
                found.add(&format!("{name}, while written"), size, asked);
            }
        }
    }
    let memory = memory(&places, sizes);
    let largest = places.last().expect("there is a size");
    let mut table = Table::new("listing", &about(), &columns(sizes));
    for (name, by_size) in &found.rows {
        let question = largest.questions.iter().find(|asked| asked.name == *name);
        let plain = match question {
            Some(question) => plainly(&largest.site, question, effort).await.into(),
            None => "".into(),
        };
        table.row(row(name, by_size, plain));
    }
    drop(places);
    servers.take_down().await;
    vec![table, memory]
}

/// What was asked, in the order in which it was; of each size the rounds.
#[derive(Default)]
struct Found {
    rows: Vec<(String, Vec<Vec<Asked>>)>,
}

impl Found {
    fn add(&mut self, name: &str, size: usize, asked: Asked) {
        let known = self.rows.iter().position(|row| row.0 == name);
        let at = known.unwrap_or_else(|| {
            self.rows.push((name.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        let by_size = &mut self.rows[at].1;
        by_size.resize_with(by_size.len().max(size + 1), Vec::new);
        by_size[size].push(asked);
    }
}

fn about() -> String {
    format!(
        "Both listings through HTTP, {CLIENTS} clients with kept connections, 20 tasks a page; each size in a database of \
         its own, on one server, asked in turn. `heavy` (own) has a tenth of all tasks; the newest tenth, 100,000 at most, \
         is unfinished. Page 1,000 is the last where there are fewer. While written: {} status changes a second. \
         All in ms. Plain: one statement with COUNT(*) and OFFSET, in the largest database.",
        place::CHANGES_A_SECOND
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

fn row(name: &str, by_size: &[Vec<Asked>], plain: Cell) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec![name.into()];
    for rounds in by_size {
        row.push(
            Spread::of(rounds.iter().map(|asked| asked.p50))
                .median
                .into(),
        );
        row.push(Spread::of(rounds.iter().map(|asked| asked.p99)).into());
    }
    let (smallest, largest) = (&by_size[0], &by_size[by_size.len() - 1]);
    let ratios = largest.iter().zip(smallest);
    row.push(Spread::of(ratios.map(|(largest, smallest)| largest.p99 / smallest.p99)).into());
    row.push(plain);
    row
}

/// What the plain statement takes, p50 of some, in milliseconds.
async fn plainly(site: &Site, question: &Question, effort: Effort) -> f64 {
    let mut connection = site.connect().await;
    let sql = format!(
        "WITH total AS (SELECT count(*) AS total FROM tasks t WHERE {plain}),
              page AS (SELECT t.*, u.name FROM tasks t JOIN users u ON u.id = t.user_id
                       WHERE {plain} ORDER BY t.id DESC LIMIT 20 OFFSET {offset})
         SELECT total.total, page.* FROM total LEFT JOIN page ON TRUE",
        plain = question.plain,
        offset = question.offset
    );
    let mut took = Vec::new();
    for _ in 0..effort.size(3, 1) {
        let started = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(sql.clone()));
        rows.fetch_all(&mut connection).await.expect("it reads");
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    percentile(&took, 0.5)
}

/// What the APIs have after all that.
fn memory(places: &[Place], sizes: &[(i64, &str)]) -> Table {
    let about = "Memory (resident, MiB) of each database's API after all of its pages, and the most it had by \
                 then. The mark: 64 MiB.";
    let mut table = Table::new("listing: memory", about, &["tasks", "API", "API, most"]);
    for (place, (_, size)) in places.iter().zip(sizes) {
        let used = Usage::of(place.api.pid());
        table.row(vec![
            (*size).into(),
            used.resident_mib.into(),
            used.peak_mib.into(),
        ]);
    }
    table
}
