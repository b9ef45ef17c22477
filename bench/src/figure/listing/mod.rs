//! Pages of both listings, by size, page and filter; beside `OFFSET` and `COUNT(*)` on the same table.

mod fill;
mod questions;

use std::sync::Arc;
use std::time::Duration;

use e2e::client::Client;
use futures_util::future::join_all;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::questions::Question;

use super::Effort;
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

/// How long each of many answers took, ms, in order.
async fn ask(client: &Client, asked: &Question, effort: Effort) -> Vec<f64> {
    let times: usize = effort.size(400, 10);
    let path = if asked.everybody {
        "/api/task/"
    } else {
        "/api/task/self"
    };
    let path = format!("{path}?{}", asked.query);
    let one = async || {
        let mut took = Vec::new();
        // The first is not counted: a connection is made, statements are prepared.
        for round in 0..=times / CLIENTS {
            let started = Instant::now();
            let page = client.page(&path).await;
            assert!(page["total"].is_i64(), "{page}");
            if round > 0 {
                took.push(started.elapsed().as_secs_f64() * 1000.0);
            }
        }
        took
    };
    let all = join_all((0..CLIENTS).map(|_| one())).await;
    let mut took: Vec<f64> = all.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    took
}

fn shown(took: &[f64]) -> String {
    let (half, most) = (percentile(took, 0.5), percentile(took, 0.99));
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
