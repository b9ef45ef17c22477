//! What one task costs from submit to SUCCESS: upstream calls, broker messages, transactions, log, processor time.

use std::sync::Arc;

use super::Plan;
use crate::cpu_time::CpuTime;
use crate::end_to_end::{self, Layout, TaskCost};
use crate::report::{Cell, Spread, Table, Value, comparison};
use harness::servers::Servers;

const COSTS: [Value<TaskCost>; 10] = [
    ("polls", |cost| cost.polls),
    ("upstream calls, submit", |cost| cost.submit_calls),
    ("upstream calls, fetch", |cost| cost.fetch_calls),
    ("ids a fetch call", |cost| cost.polls / cost.fetch_calls),
    ("messages published by API and worker", |cost| cost.messages),
    ("transactions committed", |cost| cost.transactions),
    ("WAL, bytes", |cost| cost.wal_bytes),
    ("WAL, records", |cost| cost.wal_records),
    ("WAL, whole pages", |cost| cost.wal_pages),
    ("WAL, flushes", |cost| cost.wal_flushes),
];

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let layout = Layout {
        apis: 1,
        workers: 1,
        clients: 16,
        tasks: plan.size(2_000, 40),
        song: plan.size("17500ms", "3s"),
    };
    let measured = plan
        .each_round(async |build, _| end_to_end::run(servers, &plan.builds[build], layout).await)
        .await;
    let rounds = &measured[0];
    let about = format!(
        "{} songs submitted through the API by {} clients at once, one API, one worker, polled every \
         2 s until the upstream is done (songs of {}); everything that API, worker and servers did \
         meanwhile, divided by the tasks.",
        layout.tasks, layout.clients, layout.song
    );
    let mut table = Table::new("cost", &about, &["of one task", "so many"]);
    for (what, of) in COSTS {
        table.row(vec![what.into(), Spread::of(rounds.iter().map(of)).into()]);
    }
    let columns = [&["round"], &CpuTime::COLUMNS[..]].concat();
    let about = "Processor time a task.";
    let mut cpu = Table::new("cost: processor time", about, &columns);
    for (cost, nth) in rounds.iter().zip(1..) {
        cpu.row([vec![Cell::from(nth.to_string())], cost.cpu.cells()].concat());
    }
    let mut values: Vec<Value<TaskCost>> = vec![("processor time, µs", |cost| cost.cpu.ours())];
    values.extend(COSTS);
    let compared = comparison("cost", &measured, &values);
    [table, cpu].into_iter().chain(compared).collect()
}
