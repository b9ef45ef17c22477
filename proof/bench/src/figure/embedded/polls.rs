//! Polls a second of many tasks in flight, at the shortest delay between polls.

use std::time::Duration;

use harness::folder::Folder;
use harness::proc::{Usage, micros_each};
use harness::upstream::Upstream;
use serde_json::json;
use shared::store::Store;
use shared::task::{AtTurn, ChannelId, RowId, Turn};
use sqlx::sqlite::SqliteConnection;
use tokio::time::{Instant, sleep, timeout};

use super::file;
use crate::baseline::store::{Poll, poll_all};
use crate::figure::Plan;
use crate::report::{Cell, Spread, Table};

/// The shortest delay that our configuration allows: more polls are due than one process can make.
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];
/// The tasks' series at the upstream.
const SERIES: u16 = 1;

pub async fn measure(plan: &Plan, folder: &Folder, lasts: Duration) -> Table {
    let count: u32 = plan.size(40_000, 300);
    let upstream = Upstream::start("upstream", folder.path(), &["--fetch-latency", "5ms..50ms"]);
    let upstream = upstream.await;
    let key = [("SUNO_API_KEY", upstream.key.as_str())];
    let env = [ENV, &key].concat();
    let center = super::prepare(folder, "polls", &upstream.url, &env).await;
    // The first start creates the channel.
    center.start().await.0.kill().await;
    let order = json!({"series": SERIES, "count": count, "takes": "0s", "stuck": true});
    upstream.make(order).await;
    let mut connection = file::connect(&center.file).await;
    let without_bound = sqlx::query("UPDATE channels SET polls_per_second = 0");
    let set = without_bound.execute(&mut connection).await;
    set.expect("the file takes it");
    file::in_flight(&mut connection, SERIES, count).await;

    let (process, _url) = center.start().await;
    let polled = async || {
        let counts = upstream.counts().await;
        counts["fetches"]["ids"].as_f64().unwrap_or_default()
    };
    // The first poll of each task finds news, and the sweep may have published a second message.
    let twice = async {
        while polled().await < 2.0 * f64::from(count) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_mins(5), twice)
        .await
        .expect("each task is polled twice in five minutes");
    let mut ours = Vec::new();
    for _ in 0..plan.rounds {
        let (before, started) = (polled().await, Instant::now());
        let cpu = Usage::of(process.pid()).cpu;
        sleep(lasts).await;
        let polls = polled().await - before;
        let cpu = Usage::of(process.pid()).cpu.saturating_sub(cpu);
        ours.push((
            polls / started.elapsed().as_secs_f64(),
            micros_each(cpu, polls),
        ));
    }
    process.kill().await;

    let store = center.store().await;
    let mut bare = Vec::new();
    for _ in 0..plan.rounds {
        bare.push(bare_polls(&store, &mut connection).await);
    }
    table(count, &ours, &bare)
}

/// Polls every task once with nothing new, one batch after the other; returns tasks a second.
async fn bare_polls(store: &Store, connection: &mut SqliteConnection) -> f64 {
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, turn, channel_id FROM unfinished_tasks ORDER BY id")
            .fetch_all(connection)
            .await
            .expect("the file opens");
    let at = |&(row, turn, _): &(i64, i64, i64)| AtTurn {
        row: RowId(row),
        turn: Turn(turn),
    };
    let tasks: Vec<AtTurn> = rows.iter().map(at).collect();
    let took = poll_all(store, ChannelId(rows[0].2), &tasks, 1, Poll::NothingNew).await;
    #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
    let count = tasks.len() as f64;
    count / took.as_secs_f64()
}

fn table(count: u32, ours: &[(f64, f64)], bare: &[f64]) -> Table {
    let about = format!(
        "{count} tasks in flight in `task-center` on SQLite, each polled as soon as it can be after \
         2 s, nothing new. The upstream answers within 5 to 50 ms. Bare: the statements of the same \
         polls alone, one batch of a hundred after the other. CPU of `task-center` in µs a poll."
    );
    let columns = ["what", "polls a second", "ours / this", "CPU"];
    let mut table = Table::new("embedded: polls", &about, &columns);
    table.row(vec![
        "task center".into(),
        Spread::of(ours.iter().map(|ours| ours.0)).into(),
        "".into(),
        Spread::of(ours.iter().map(|ours| ours.1)).into(),
    ]);
    let ratio: Cell = Spread::of(ours.iter().zip(bare).map(|(ours, bare)| ours.0 / bare)).into();
    table.row(vec![
        "bare".into(),
        Spread::of(bare.iter().copied()).into(),
        ratio,
        "".into(),
    ]);
    table
}
