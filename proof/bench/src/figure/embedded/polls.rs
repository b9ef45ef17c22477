//! Polls a second: of many tasks in flight, asked about as fast as it goes.

use std::time::Duration;

use harness::folder::Folder;
use harness::upstream::Upstream;
use serde_json::json;
use shared::store::Store;
use shared::task::{AtTurn, ChannelId, RowId, Turn};
use sqlx::sqlite::SqliteConnection;
use tokio::time::{Instant, sleep, timeout};

use super::file;
use crate::bare::store::{Said, poll};
use crate::figure::Effort;
use crate::report::{Cell, Spread, Table};
use harness::proc::{Usage, micros_each};

/// Each task is asked about as often as we allow: so many in flight are more than one process can do.
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "2s"), ("POLL_MAX_DELAY", "2s")];
/// The series of the tasks at the upstream.
const SERIES: u16 = 1;

/// Measures it.
pub async fn measure(effort: Effort, folder: &Folder, lasts: Duration) -> Table {
    let count: u32 = effort.size(40_000, 300);
    let upstream = Upstream::start("upstream", folder.path(), &["--fetch-latency", "5ms..50ms"]);
    let upstream = upstream.await;
    let key = [("SUNO_API_KEY", upstream.key.as_str())];
    let env = [ENV, &key].concat();
    let center = super::prepare(folder, "polls", &upstream.url, &env).await;
    // Its channel is there once it has started.
    center.start().await.0.kill().await;
    let order = json!({"series": SERIES, "count": count, "takes": "0s", "stuck": true});
    upstream.make(order).await;
    let mut connection = file::connect(&center.file).await;
    file::in_flight(&mut connection, SERIES, count).await;

    let (process, _url) = center.start().await;
    let asked = async || {
        let counts = upstream.counts().await;
        counts["fetches"]["ids"].as_f64().unwrap_or_default()
    };
    // Once round: what the first poll finds is new, and what the sweep found is on its way.
    let once_round = async {
        while asked().await < 2.0 * f64::from(count) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let polled = timeout(Duration::from_mins(5), once_round).await;
    polled.expect("each is polled twice in five minutes");
    let mut ours = Vec::new();
    for _ in 0..effort.rounds {
        let (before, started) = (asked().await, Instant::now());
        let cpu = Usage::of(process.pid()).cpu;
        sleep(lasts).await;
        let polls = asked().await - before;
        let cpu = Usage::of(process.pid()).cpu.saturating_sub(cpu);
        ours.push((
            polls / started.elapsed().as_secs_f64(),
            micros_each(cpu, polls),
        ));
    }
    process.kill().await;

    let store = center.store().await;
    let mut bare = Vec::new();
    for _ in 0..effort.rounds {
        bare.push(bare_polls(&store, &mut connection).await);
    }
    table(count, &ours, &bare)
}

/// Every task once, one batch after the other, nothing new: tasks a second.
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
    let took = poll(store, ChannelId(rows[0].2), &tasks, 1, Said::Same).await;
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
