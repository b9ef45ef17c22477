//! Where processor time went, by part.

use std::time::Duration;

use crate::report::Cell;
use crate::site::Site;
use harness::proc::Usage;

/// Whose processor time is looked at.
#[derive(Debug, Default)]
pub struct Parts<'a> {
    /// The processes of the API.
    pub apis: &'a [u32],
    /// Those of workers.
    pub workers: &'a [u32],
    /// Those of upstreams.
    pub upstreams: &'a [u32],
}

/// Processor time by part.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    api: Duration,
    worker: Duration,
    postgres: Duration,
    rabbitmq: Duration,
    upstream: Duration,
}

impl Spent {
    /// The columns that [`Spent::cells`] fills.
    pub const COLUMNS: [&'static str; 6] = [
        "API, µs",
        "worker, µs",
        "Postgres, µs",
        "RabbitMQ, µs",
        "upstream, µs",
        "all but the upstream, µs",
    ];

    /// So far.
    pub async fn so_far(site: &Site, parts: &Parts<'_>) -> Self {
        let of = |pids: &[u32]| pids.iter().map(|pid| Usage::of(*pid).cpu).sum();
        let family = |pid: Option<u32>| pid.map(Usage::cpu_of_family).unwrap_or_default();
        Self {
            api: of(parts.apis),
            worker: of(parts.workers),
            postgres: family(site.servers.postgres.lock().await.pid()),
            rabbitmq: family(site.servers.rabbitmq.lock().await.pid()),
            upstream: of(parts.upstreams),
        }
    }

    /// What was spent since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            api: self.api.saturating_sub(before.api),
            worker: self.worker.saturating_sub(before.worker),
            postgres: self.postgres.saturating_sub(before.postgres),
            rabbitmq: self.rabbitmq.saturating_sub(before.rabbitmq),
            upstream: self.upstream.saturating_sub(before.upstream),
        }
    }

    /// Of all parts but the upstream, for one of so many tasks, µs.
    pub fn ours(self, tasks: f64) -> f64 {
        let all = self.api + self.worker + self.postgres + self.rabbitmq;
        all.as_secs_f64() * 1e6 / tasks
    }

    /// For one of so many tasks, by part.
    pub fn cells(self, tasks: f64) -> Vec<Cell> {
        let parts = [
            self.api,
            self.worker,
            self.postgres,
            self.rabbitmq,
            self.upstream,
        ];
        let each = parts.map(|part| Cell::from(part.as_secs_f64() * 1e6 / tasks));
        each.into_iter().chain([self.ours(tasks).into()]).collect()
    }
}
