//! Processor time by part of the system.

use std::time::Duration;

use harness::cluster::Cluster;
use harness::proc::Usage;

use crate::report::Cell;

/// The processes of each part, by id. The servers are known.
#[derive(Debug, Default)]
pub struct Processes {
    pub apis: Vec<u32>,
    pub workers: Vec<u32>,
    pub upstreams: Vec<u32>,
}

/// A part of the system.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Api,
    Worker,
    Postgres,
    RabbitMq,
    Upstream,
    /// The bench itself with its clients, and the `pgbench` it ran.
    Client,
}

/// Processor time by part, µs.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime([f64; 6]);

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

    pub async fn so_far(cluster: &Cluster, processes: &Processes) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let of = |pids: &[u32]| pids.iter().map(|pid| micros(Usage::of(*pid).cpu)).sum();
        let family = |pid: Option<u32>| micros(pid.map(Usage::cpu_of_family).unwrap_or_default());
        let servers = cluster.servers();
        let mut parts = [
            of(&processes.apis),
            of(&processes.workers),
            family(servers.postgres.lock().await.pid()),
            family(servers.rabbitmq.lock().await.pid()),
            of(&processes.upstreams),
            0.0,
        ];
        // The servers and our programs are children of this process.
        let all = family(Some(std::process::id()));
        parts[Part::Client as usize] = all - parts.iter().sum::<f64>();
        Self(parts)
    }

    /// The time used since `before`, divided by `tasks`.
    #[must_use]
    pub fn per_task(self, before: Self, tasks: f64) -> Self {
        let each = |part: usize| (self.0[part] - before.0[part]).max(0.0) / tasks;
        Self(std::array::from_fn(each))
    }

    /// The time of one part.
    pub fn of(self, part: Part) -> f64 {
        self.0[part as usize]
    }

    /// All parts except upstream and client.
    pub fn ours(self) -> f64 {
        self.0[..Part::Upstream as usize].iter().sum()
    }

    /// Every part except the client, and ours together.
    pub fn cells(self) -> Vec<Cell> {
        let parts = self.0[..Part::Client as usize].iter().copied();
        parts.chain([self.ours()]).map(Cell::from).collect()
    }
}
