//! Processor time a task by the number of workers and APIs.

use std::sync::Arc;

use super::Plan;
use crate::cpu_time::CpuTime;
use crate::end_to_end::{self, Layout, TaskCost};
use crate::report::{Cell, Spread, Table, comparison};
use harness::servers::Servers;

/// How many run of each: APIs, workers.
const LAYOUTS: [(u32, u32); 4] = [(1, 1), (1, 2), (1, 4), (2, 2)];

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let tasks = plan.size(6_000, 30);
    let clients = plan.size(64, 8);
    let song = plan.size("12s", "2s");
    let layouts = &LAYOUTS[..plan.size(LAYOUTS.len(), 2)];
    let measured = plan
        .each_round(async |build, _| {
            let mut round = Vec::new();
            for &(apis, workers) in layouts {
                let layout = Layout {
                    apis,
                    workers,
                    clients,
                    tasks,
                    song,
                };
                round.push(end_to_end::run(servers, &plan.builds[build], layout).await);
            }
            round
        })
        .await;
    let rounds: &[Vec<TaskCost>] = &measured[0];
    let about = format!(
        "{tasks} songs from submit to SUCCESS, submitted by {clients} clients at once, polled every 2 s, songs \
         of {song}. Processor time a task, by part, in the last round; and the ratio of all parts \
         together (without the upstream) to one API and one worker, over all rounds. One machine: more \
         workers make nothing faster here, and must not make anything dearer."
    );
    let columns = [
        &["APIs", "workers"],
        &CpuTime::COLUMNS[..],
        &["ids a fetch call", "so many times the first"],
    ]
    .concat();
    let mut table = Table::new("scale-out", &about, &columns);
    for (nth, (apis, workers)) in layouts.iter().enumerate() {
        let ratio = |round: &Vec<TaskCost>| round[nth].cpu.ours() / round[0].cpu.ours();
        let Some(last) = rounds.last().map(|round| round[nth]) else {
            continue;
        };
        let mut row: Vec<Cell> = vec![apis.to_string().into(), workers.to_string().into()];
        row.extend(last.cpu.cells());
        row.push((last.polls / last.fetch_calls).into());
        row.push(Spread::of(rounds.iter().map(ratio)).into());
        table.row(row);
    }
    let compared = comparison(
        "scale-out",
        &measured,
        &[
            ("1 API, 1 worker, µs", |round| round[0].cpu.ours()),
            ("1 API, 2 workers, µs", |round| round[1].cpu.ours()),
        ],
    );
    std::iter::once(table).chain(compared).collect()
}
