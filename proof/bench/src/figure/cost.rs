//! What one task costs from submit to SUCCESS: upstream calls, broker messages, transactions, WAL.

use super::Effort;
use crate::journey::{Journey, Layout};
use crate::report::{Cell, Spread, Table};
use crate::spent::Spent;

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let layout = Layout {
        apis: 1,
        workers: 1,
        clients: 16,
        tasks: effort.size(2_000, 40),
        song: effort.size("17500ms", "3s"),
    };
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        rounds.push(Journey::make(layout).await);
    }
    let about = format!(
        "{} songs submitted through the API by {} clients at once, one API, one worker, polled every \
         2 s until the upstream is done (songs of {}); everything that API, worker and servers did \
         meanwhile, divided by the tasks.",
        layout.tasks, layout.clients, layout.song
    );
    let mut table = Table::new("cost", &about, &["of one task", "so many"]);
    let mut row = |what: &str, of: fn(&Journey) -> f64| {
        let each = Spread::of(rounds.iter().map(of));
        table.row(vec![what.into(), each.into()]);
    };
    row("polls", |made| made.polls);
    row("upstream calls, submit", |made| made.submit_calls);
    row("upstream calls, fetch", |made| made.fetch_calls);
    row("ids a fetch call", |made| made.polls / made.fetch_calls);
    row("messages published by API and worker", |made| made.messages);
    row("transactions committed", |made| made.transactions);
    row("WAL, bytes", |made| made.wal_bytes);
    row("WAL, records", |made| made.wal_records);
    row("WAL, whole pages", |made| made.wal_pages);
    row("WAL, flushes", |made| made.wal_flushes);

    let columns = [&["round"], &Spent::COLUMNS[..]].concat();
    let about = "Processor time a task.";
    let mut spent = Table::new("cost: processor time", about, &columns);
    for (nth, made) in rounds.iter().enumerate() {
        let name = Cell::from(format!("{}", nth + 1));
        spent.row([vec![name], made.spent.cells(f64::from(layout.tasks))].concat());
    }
    vec![table, spent]
}
