//! Polled tasks a second, by one worker; beside one task at a time, and the servers alone.

use std::sync::Arc;
use std::time::Duration;

use harness::client::Client;
use harness::cluster::{Channel, Cluster};
use harness::programs::Program;
use harness::servers::Servers;
use shared::broker::message::MOST_TASKS;
use shared::broker::rabbitmq::RabbitMq;
use shared::broker::{Broker as _, Message, SharedBroker};
use shared::config::DatabaseUrl;
use shared::store::{Plans, Store};
use shared::task::{AtTurn, ChannelId, RowId, Turn};
use tokio::time::Instant;

use super::Plan;
use crate::baseline;
use crate::baseline::store::Poll;
use crate::cluster::{QUOTA, audit, cluster, wait_for_fold};
use crate::cpu_time::{CpuTime, Part, Processes};
use crate::report::{Cell, Spread, Table, comparison};
use crate::seeded_tasks::{SeededTasks, broker};

/// So long that no task comes back during a measurement.
pub(super) const ENV: &[(&str, &str)] =
    &[("POLL_INITIAL_DELAY", "300s"), ("POLL_MAX_DELAY", "300s")];

/// How many batches Postgres alone gets at once: as many as a worker has at one channel.
const AT_ONCE: usize = 8;

pub(super) struct Round {
    /// Status and result are written.
    pub(super) moved: Polls,
    same: Polls,
    /// SUCCESS and the result are written.
    pub(super) ended: Polls,
}

/// Polls of every task once.
pub(super) struct Polls {
    pub(super) a_second: f64,
    cpu: CpuTime,
}

/// A round of what this build is compared with: tasks a second.
struct Baselines {
    one_by_one: f64,
    lapin: f64,
    postgres: f64,
}

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let count = plan.size(100_000, 300);
    let of_build = async |build| {
        let upstream = ("upstream", &["--fetch-latency", "5ms..50ms"][..]);
        let cluster = cluster(servers, build, ENV, &[upstream]).await;
        Bench::new(cluster, count).await
    };
    let mut benches = Vec::new();
    for build in &plan.builds {
        benches.push(of_build(build).await);
    }
    // Their tasks stay in the tables, which is no burden that one of two builds should bear.
    let alone = of_build(&plan.builds[0]).await;
    let mut baselines = Vec::new();
    let measured = plan
        .each_round(async |build, round| {
            let series = 10 * u16::try_from(round).expect("there are few rounds");
            let measured = benches[build].round(series).await;
            if plan.builds[build].0.is_none() {
                baselines.push(alone.baselines(series).await);
            }
            measured
        })
        .await;
    let tables = tables(count, &measured, &baselines);
    for bench in &benches {
        audit(&bench.cluster).await;
    }
    tables
}

/// A cluster with many tasks that are polled.
pub(super) struct Bench {
    pub(super) cluster: Cluster,
    owner: Client,
    broker: Arc<RabbitMq>,
    store: Store,
    count: u32,
}

impl Bench {
    pub(super) async fn new(cluster: Cluster, count: u32) -> Self {
        let owner = cluster.user("bench", QUOTA).await;
        let url = DatabaseUrl::Postgres(cluster.database().url());
        let store = Store::open(&url, 10, Plans::Fresh).await;
        Self {
            broker: Arc::new(broker(&cluster).await),
            store: store.expect("PostgreSQL answers"),
            cluster,
            owner,
            count,
        }
    }

    /// Polls so many new tasks thrice. Series are different in each round.
    pub(super) async fn round(&self, series: u16) -> Round {
        let name = format!("worker-{series}");
        let (worker, _) = self.cluster.process(Program::Worker, &name).await;
        let tasks = self.seed(series + 1, self.count).await;
        wait_for_fold(&self.cluster).await;
        let pid = worker.pid();
        let moved = self.poll(tasks, 1, pid).await;
        let same = self.poll(tasks, 2, pid).await;
        self.cluster.upstream().finish(serde_json::json!({})).await;
        let ended = self.poll(tasks, 3, pid).await;
        worker.stop(Duration::from_secs(30)).await;
        Round { moved, same, ended }
    }

    async fn seed(&self, series: u16, count: u32) -> SeededTasks {
        let (cluster, of) = (&self.cluster, (series, count));
        SeededTasks::seed(cluster, &self.owner, self.channel(), of, None).await
    }

    fn channel(&self) -> &Channel {
        &self.cluster.channels[0]
    }

    /// Has the worker poll all tasks once more, after which each has had `polls` polls. The time until all
    /// messages are published counts too.
    async fn poll(&self, tasks: SeededTasks, polls: u32, worker: u32) -> Polls {
        let processes = Processes {
            workers: vec![worker],
            upstreams: vec![self.cluster.upstream().pid()],
            ..Processes::default()
        };
        // Messages that an earlier poll has published for later would be stale.
        self.cluster.rabbitmq().purge("delay.300s").await;
        let cpu = CpuTime::so_far(&self.cluster, &processes).await;
        let started = Instant::now();
        tasks
            .publish(&self.cluster, &self.broker, Duration::ZERO)
            .await;
        tasks.wait_for_polls(&self.cluster, polls).await;
        let seconds = started.elapsed().as_secs_f64();
        let count = f64::from(tasks.count);
        Polls {
            a_second: count / seconds,
            cpu: CpuTime::so_far(&self.cluster, &processes)
                .await
                .per_task(cpu, count),
        }
    }

    async fn baselines(&self, series: u16) -> Baselines {
        Baselines {
            one_by_one: self.one_by_one(series + 2).await,
            lapin: self.lapin().await,
            postgres: self.postgres(series + 3).await,
        }
    }

    async fn one_by_one(&self, series: u16) -> f64 {
        let tasks = self.seed(series, (self.count / 25).min(4000)).await;
        let unfinished = tasks.unfinished(&self.cluster).await;
        let messages = tasks.messages(&unfinished, 1);
        self.broker
            .publish(&messages)
            .await
            .expect("RabbitMQ answers");
        let broker: SharedBroker = self.broker.clone();
        let took = baseline::one_by_one::poll_all(
            &self.store,
            &broker,
            self.cluster.upstream(),
            &unfinished,
        )
        .await;
        tasks.wait_for_polls(&self.cluster, 1).await;
        self.postpone(tasks).await;
        f64::from(tasks.count) / took.as_secs_f64()
    }

    async fn lapin(&self) -> f64 {
        let tasks = (0..100).map(|n| AtTurn {
            row: RowId(1_000_000 + n),
            turn: Turn(4),
        });
        let message = Message::Poll {
            channel: ChannelId(self.channel().id),
            tasks: tasks.collect(),
        };
        let messages = vec![message.to_json(); self.count as usize / MOST_TASKS];
        let urls = self.cluster.servers().urls().await;
        let took = baseline::broker::move_messages(urls.amqp.as_str(), &messages).await;
        f64::from(self.count) / took.as_secs_f64()
    }

    async fn postgres(&self, series: u16) -> f64 {
        let tasks = self.seed(series, (self.count / 2).max(100)).await;
        let unfinished = tasks.unfinished(&self.cluster).await;
        let channel = ChannelId(self.channel().id);
        let moved = Poll::MovedOn;
        let took =
            baseline::store::poll_all(&self.store, channel, &unfinished, AT_ONCE, moved).await;
        self.postpone(tasks).await;
        f64::from(tasks.count) / took.as_secs_f64()
    }

    /// Makes these tasks due long after the run, so that no sweep of a later round finds them.
    async fn postpone(&self, tasks: SeededTasks) {
        let (from, to) = (tasks.first_row(), tasks.end_row());
        let sql = format!(
            "UPDATE unfinished_tasks SET due_at = due_at + 3600000 WHERE id >= {from} AND id < {to}"
        );
        self.cluster.execute(&sql).await;
    }
}

fn tables(count: u32, measured: &[Vec<Round>], baselines: &[Baselines]) -> Vec<Table> {
    let rounds = &measured[0];
    let about = format!(
        "{count} tasks in flight at one channel, 100 ids a call, one worker, from the publishing of their \
         messages until the last of them is written. The upstream answers within 5 to 50 ms. One by one: \
         the same store and broker calls, with a message, a call and a transaction a task, 32 at once. Bare \
         lapin: as many messages of the same size, received from one quorum queue, published to another \
         with a confirm, acknowledged. Bare Postgres: the statements of the same polls alone, 8 batches at \
         once."
    );
    let columns = [
        "what",
        "tasks a second",
        "ours (moved on) is so many times it",
    ];
    let mut table = Table::new("polls", &about, &columns);
    let mut row = |what: &str, rates: Vec<f64>| {
        let both = rounds.iter().zip(&rates);
        let ratio = Spread::of(both.map(|(round, rate)| round.moved.a_second / rate));
        table.row(vec![what.into(), Spread::of(rates).into(), ratio.into()]);
    };
    let ours = |of: fn(&Round) -> &Polls| rounds.iter().map(|round| of(round).a_second).collect();
    let bare = |of: fn(&Baselines) -> f64| baselines.iter().map(of).collect();
    row(
        "moved on: status and result written",
        ours(|round| &round.moved),
    );
    row("nothing new", ours(|round| &round.same));
    row(
        "ended: SUCCESS and result written",
        ours(|round| &round.ended),
    );
    row("one by one, moved on", bare(|bare| bare.one_by_one));
    row("bare lapin", bare(|bare| bare.lapin));
    row("bare Postgres, moved on", bare(|bare| bare.postgres));

    let columns = [&["what"], &CpuTime::COLUMNS[..]].concat();
    let about = "Processor time a task in the last round, by part.";
    let mut cpu = Table::new("polls: processor time", about, &columns);
    if let Some(last) = rounds.last() {
        let Round { moved, same, ended } = last;
        for (what, polls) in [("moved on", moved), ("nothing new", same), ("ended", ended)] {
            cpu.row([vec![Cell::from(what)], polls.cpu.cells()].concat());
        }
    }
    let compared = comparison(
        "polls",
        measured,
        &[
            ("moved on, a second", |round| round.moved.a_second),
            ("nothing new, a second", |round| round.same.a_second),
            ("ended, a second", |round| round.ended.a_second),
            ("moved on, worker µs", |round| {
                round.moved.cpu.of(Part::Worker)
            }),
            ("moved on, Postgres µs", |round| {
                round.moved.cpu.of(Part::Postgres)
            }),
            ("ended, worker µs", |round| {
                round.ended.cpu.of(Part::Worker)
            }),
            ("ended, Postgres µs", |round| {
                round.ended.cpu.of(Part::Postgres)
            }),
        ],
    );
    [table, cpu].into_iter().chain(compared).collect()
}
