//! Processor time by part of the system.

use std::time::Duration;

use harness::cluster::Cluster;
use harness::proc::Usage;

use crate::report::Cell;

/// The processes of each part, by id. The servers are known.
#[derive(Debug, Default)]
pub struct Processes {
    /// APIs.
    pub apis: Vec<u32>,
    /// Workers.
    pub workers: Vec<u32>,
    /// Simulated upstreams.
    pub upstreams: Vec<u32>,
}

/// Processor time by part, µs.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime {
    /// All APIs.
    pub api: f64,
    /// All workers.
    pub worker: f64,
    /// The database server.
    pub postgres: f64,
    /// The broker.
    pub rabbitmq: f64,
    /// All upstreams.
    pub upstream: f64,
    /// The bench itself with its clients, and the `pgbench` it ran.
    pub client: f64,
}

impl CpuTime {
    /// The columns that [`CpuTime::cells`] fills.
    pub const COLUMNS: [&'static str; 6] = [
        "API, µs",
        "worker, µs",
        "Postgres, µs",
        "RabbitMQ, µs",
        "upstream, µs",
        "all but the upstream, µs",
    ];

    /// The time used so far.
    pub async fn so_far(cluster: &Cluster, processes: &Processes) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let of = |pids: &[u32]| pids.iter().map(|pid| micros(Usage::of(*pid).cpu)).sum();
        let family = |pid: Option<u32>| micros(pid.map(Usage::cpu_of_family).unwrap_or_default());
        let (api, worker, upstream) = (
            of(&processes.apis),
            of(&processes.workers),
            of(&processes.upstreams),
        );
        let postgres = family(cluster.servers().postgres.lock().await.pid());
        let rabbitmq = family(cluster.servers().rabbitmq.lock().await.pid());
        let all = family(Some(std::process::id()));
        Self {
            api,
            worker,
            postgres,
            rabbitmq,
            upstream,
            client: all - api - worker - postgres - rabbitmq - upstream,
        }
    }

    /// The time used since `before`, divided by `tasks`.
    #[must_use]
    pub fn per_task(self, before: Self, tasks: f64) -> Self {
        let each = |now: f64, before: f64| (now - before).max(0.0) / tasks;
        Self {
            api: each(self.api, before.api),
            worker: each(self.worker, before.worker),
            postgres: each(self.postgres, before.postgres),
            rabbitmq: each(self.rabbitmq, before.rabbitmq),
            upstream: each(self.upstream, before.upstream),
            client: each(self.client, before.client),
        }
    }

    /// All parts except upstream and client.
    pub fn ours(self) -> f64 {
        self.api + self.worker + self.postgres + self.rabbitmq
    }

    /// Every part except the client.
    pub fn cells(self) -> Vec<Cell> {
        let Self {
            api,
            worker,
            postgres,
            rabbitmq,
            upstream,
            ..
        } = self;
        [api, worker, postgres, rabbitmq, upstream, self.ours()]
            .map(Cell::from)
            .into()
    }
}
