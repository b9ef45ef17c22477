//! Processor time a task by the number of workers and APIs.

use super::Effort;
use crate::journey::{Journey, Layout};
use crate::report::{Cell, Spread, Table};
use crate::spent::Spent;

/// How many of each: APIs, workers.
const LAYOUTS: [(u32, u32); 4] = [(1, 1), (1, 2), (1, 4), (2, 2)];

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let tasks = effort.size(6_000, 30);
    let clients = effort.size(64, 8);
    let song = effort.size("12s", "2s");
    let layouts = &LAYOUTS[..effort.size(LAYOUTS.len(), 2)];
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let mut round = Vec::new();
        for &(apis, workers) in layouts {
            let layout = Layout {
                apis,
                workers,
                clients,
                tasks,
                song,
            };
            round.push(Journey::make(layout).await);
        }
        rounds.push(round);
    }
    let about = format!(
        "{tasks} songs on their whole way, from submits by {clients} clients at once, polled every 2 s, songs \
         of {song}. Processor time a task, by part, in the last round; and how that of all parts \
         together (without the upstream) relates to one API and one worker, over all rounds. One \
         machine: more workers make nothing faster here, and must not make anything dearer."
    );
    let columns = [
        &["APIs", "workers"],
        &Spent::COLUMNS[..],
        &["ids a fetch call", "so many times the first"],
    ]
    .concat();
    let mut table = Table::new("scale-out", &about, &columns);
    for (nth, (apis, workers)) in layouts.iter().enumerate() {
        let ours = |round: &Vec<Journey>, nth: usize| round[nth].spent.ours(f64::from(tasks));
        let ratio = rounds.iter().map(|round| ours(round, nth) / ours(round, 0));
        let Some(last) = rounds.last().map(|round| round[nth]) else {
            continue;
        };
        let mut row = vec![
            Cell::from(apis.to_string()),
            Cell::from(workers.to_string()),
        ];
        row.extend(last.spent.cells(f64::from(tasks)));
        row.push((last.polls / last.fetch_calls).into());
        row.push(Spread::of(ratio).into());
        table.row(row);
    }
    vec![table]
}
