//! Pages of both listings, by size, page and filter; beside `OFFSET` and `COUNT(*)` on the same table.

mod fill;
mod questions;

use std::sync::Arc;
use std::time::Duration;

use e2e::client::Client;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::questions::Question;

use super::Effort;
use crate::load::{self, Answers, Load};
use crate::report::{Cell, Table, percentile};
use crate::site::Site;

/// So many clients ask at once: as many as there are cores.
const CLIENTS: usize = 2;
/// How many status changes a second are written while pages are asked for.
const CHANGES_A_SECOND: usize = 2_000;
/// In how many statements a second.
const BATCHES_A_SECOND: u32 = 20;

/// Measures all of it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let sizes: &[i64] = if effort.short {
        &[2_000]
    } else {
        &[10_000, 1_000_000, 10_000_000]
    };
    let site = Site::prepare(&[]).await;
    let (_api, url) = site.api("api").await;
    let admin = site.user("admin", "admin", 0, &url).await;
    let heavy = site.user("heavy", "user", 0, &url).await;
    fill::people(&site).await;
    let mut table = Table::new(
        "listing",
        &format!(
            "Both listings through HTTP, {CLIENTS} clients with kept connections, 20 tasks a page; \
             `heavy` has a tenth of all tasks; the newest tenth, 100,000 at most, is unfinished. \
             ms: p50 / p99. Plain: one statement with COUNT(*) and OFFSET, at the largest size, p50."
        ),
        &columns(sizes),
    );
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for &count in sizes {
        let started = Instant::now();
        let unfinished = (count / 10).min(100_000);
        fill::up_to(&site, heavy.id, count, unfinished).await;
        eprintln!(
            "{count} tasks, made in {:.0} s",
            started.elapsed().as_secs_f64()
        );
        let last = Some(&count) == sizes.last();
        for (at, asked) in questions::all(heavy.id, count).iter().enumerate() {
            let client = if asked.everybody { &admin } else { &heavy };
            let measured = ask(client, asked, effort).await;
            if rows.len() <= at {
                rows.push(vec![asked.name.clone().into()]);
            }
            eprintln!("{count}: {}: {} ms", asked.name, shown(&measured));
            rows[at].push(shown(&measured).into());
            if last {
                rows[at].push(plainly(&site, asked, effort).await.into());
            }
        }
        if last {
            rows.extend(
                while_written(&site, &admin, &heavy, count, unfinished, effort, sizes).await,
            );
        }
    }
    for row in rows {
        table.row(row);
    }
    site.take_down().await;
    vec![table]
}

fn columns(sizes: &[i64]) -> Vec<&'static str> {
    let mut columns = vec!["asked"];
    columns.extend(match sizes {
        [_] => vec!["2,000"],
        _ => vec!["10⁴", "10⁶", "10⁷"],
    });
    columns.push("plain");
    columns
}

/// What answers to a question took, once connections were made and statements prepared.
async fn ask(client: &Client, asked: &Question, effort: Effort) -> Answers {
    let listing = if asked.everybody { "" } else { "self" };
    let path = format!("/api/task/{listing}?{}", asked.query);
    let page = client.page(&path).await;
    assert!(page["total"].is_i64(), "{page}");
    let user = u64::try_from(client.id).expect("ids are positive");
    let base = client.base.lock().expect("nobody panicked").clone();
    let load = |milliseconds| Load {
        address: load::address(&base),
        requests: vec![load::get(&path, &client.token, user)].into(),
        clients: CLIENTS,
        lasts: Duration::from_millis(milliseconds),
    };
    load(effort.size(300, 50)).run().await;
    let answers = load(effort.size(2_000, 50)).run().await;
    assert_eq!(answers.bad, 0, "{path}: {:?}", answers.complaint);
    answers
}

fn shown(took: &Answers) -> String {
    let (half, most) = (took.percentile(0.5), took.percentile(0.99));
    format!("{half:.1} / {most:.1}")
}

/// What the plain statement takes, p50 of some.
async fn plainly(site: &Site, asked: &Question, effort: Effort) -> String {
    let mut connection = site.connect().await;
    let sql = format!(
        "WITH total AS (SELECT count(*) AS total FROM tasks t WHERE {plain}),
              page AS (SELECT t.*, u.name FROM tasks t JOIN users u ON u.id = t.user_id
                       WHERE {plain} ORDER BY t.id DESC LIMIT 20 OFFSET {offset})
         SELECT total.total, page.* FROM total LEFT JOIN page ON TRUE",
        plain = asked.plain,
        offset = asked.offset
    );
    let mut took = Vec::new();
    for _ in 0..effort.size(3, 1) {
        let started = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(sql.clone()));
        rows.fetch_all(&mut connection).await.expect("it reads");
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    format!("{:.1}", percentile(&took, 0.5))
}

/// Some of the questions again, while statuses change all the time.
async fn while_written(
    site: &Site,
    admin: &Client,
    heavy: &Client,
    count: i64,
    unfinished: i64,
    effort: Effort,
    sizes: &[i64],
) -> Vec<Vec<Cell>> {
    let stop = Arc::new(Notify::new());
    let writer = tokio::spawn(write(site.connect().await, count, unfinished, stop.clone()));
    tokio::time::sleep(Duration::from_secs(effort.size(5, 1))).await;
    let mut rows = Vec::new();
    let chosen = [
        "own: first page",
        "all: first page",
        "all: status=FAILURE",
        "all: status=IN_PROGRESS",
    ];
    for asked in questions::all(heavy.id, count) {
        if !chosen.contains(&asked.name.as_str()) {
            continue;
        }
        let client = if asked.everybody { admin } else { heavy };
        let measured = ask(client, &asked, effort).await;
        let mut row: Vec<Cell> = vec![format!("{}, while written", asked.name).into()];
        row.extend(sizes.iter().skip(1).map(|_| Cell::from("")));
        row.extend([shown(&measured).into(), "".into()]);
        rows.push(row);
    }
    stop.notify_one();
    let written = writer.await.expect("the writer ends");
    eprintln!("{written:.0} status changes a second were written meanwhile");
    rows
}

/// Changes statuses of unfinished tasks, as polls do, until told to stop; returns how many a second.
async fn write(mut database: PgConnection, count: i64, unfinished: i64, stop: Arc<Notify>) -> f64 {
    let batch = i64::try_from(CHANGES_A_SECOND).unwrap_or(1) / i64::from(BATCHES_A_SECOND);
    let mut beat = tokio::time::interval(Duration::from_secs(1) / BATCHES_A_SECOND);
    let started = Instant::now();
    let mut written = 0.0;
    let mut at = 0;
    loop {
        tokio::select! {
            () = stop.notified() => break,
            _ = beat.tick() => {}
        }
        let first = count - unfinished + 1 + at % unfinished.max(1);
        let done = sqlx::query(
            "UPDATE tasks
             SET status = CASE status WHEN 'QUEUED' THEN 'IN_PROGRESS' ELSE 'QUEUED' END
             WHERE id BETWEEN $1 AND $2 AND progress < 100",
        )
        .bind(first)
        .bind(first + batch - 1)
        .execute(&mut database)
        .await
        .expect("it writes");
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let changed = done.rows_affected() as f64;
        written += changed;
        at += batch;
    }
    let a_second = written / started.elapsed().as_secs_f64();
    let _ = database.close().await;
    a_second
}
