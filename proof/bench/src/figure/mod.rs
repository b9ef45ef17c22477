//! One figure a file.
//!
//! A figure is compared in one run on one machine, and the comparison is a ratio: the median of several
//! rounds, with the least and the most.

mod cost;
mod embedded;
mod flow;
mod freshness;
mod listing;
mod memory;
mod part;
mod platforms;
mod polls;
mod requirement;
mod scale_out;
mod submits;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use harness::servers::Servers;

pub use self::part::Part;
use crate::cluster;
use crate::report::Table;

/// How a run measures.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whether sizes are small: such a run shows that everything works, and its numbers mean nothing.
    pub short: bool,
    /// How many rounds each comparison takes.
    pub rounds: u32,
    /// What is measured: this build first, then the build to compare it with, if there is one.
    pub builds: Vec<Build>,
    /// The parts of `flow` and `freshness`; of a figure without one, all.
    pub parts: Vec<Part>,
}

/// Programs that were built together: the folder that holds them, or `None` for the folder of the running
/// program.
#[derive(Debug, Clone, Default)]
pub struct Build(pub Option<PathBuf>);

impl Plan {
    /// `full`, or `short` in a short run.
    pub fn size<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }

    /// Whether this part is measured: if it is named, or if no part of its figure is and the part need not be.
    pub fn wants(&self, part: impl Into<Part>) -> bool {
        let part = part.into();
        let mut named = self.parts.iter();
        if named.any(|named| named.figure() == part.figure()) {
            self.parts.contains(&part)
        } else {
            !part.must_be_named()
        }
    }

    /// Calls `measure` with the build's position and the round, for each build in each round; returns the
    /// rounds by build. Every second round goes through the builds backwards, so that none always comes first.
    pub async fn each_round<R>(
        &self,
        mut measure: impl AsyncFnMut(usize, u32) -> R,
    ) -> Vec<Vec<R>> {
        let mut measured: Vec<Vec<R>> = self.builds.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds {
            let mut order: Vec<usize> = (0..self.builds.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for build in order {
                measured[build].push(measure(build, round).await);
            }
        }
        measured
    }
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Figure {
    /// Polled tasks a second, beside one task at a time and the servers alone
    Polls,
    /// From the upstream's end of a song to our SUCCESS: what must hold, and what holds
    Freshness,
    /// Submits a second through HTTP, beside pgbench with the same statements
    Submits,
    /// Pages of both listings by size, page and filter, beside OFFSET and COUNT(*)
    Listing,
    /// Memory of API and worker
    Memory,
    /// What one task costs upstream, broker and database
    Cost,
    /// Everything in one process on SQLite, beside the statements alone
    Embedded,
    /// Processor time a task by the number of workers and APIs
    ScaleOut,
    /// Limits and fairness: what must hold, and what holds
    Flow,
    /// Songs of all platforms at once while one of them hangs, and what each costs in calls
    Platforms,
}

/// Measures these figures one after the other, each on new servers. A short run measures all of them at once, on
/// the same servers.
pub async fn measure(figures: &[Figure], plan: &Plan) -> Vec<Table> {
    let mut tables = Vec::new();
    if plan.short {
        let servers = cluster::servers().await;
        let all = figures.iter().map(|figure| figure.measure(plan, &servers));
        tables.extend(join_all(all).await.into_iter().flatten());
        servers.take_down().await;
        return tables;
    }
    for figure in figures {
        eprintln!("{figure:?} …");
        let measured = if *figure == Figure::Embedded {
            embedded::measure(plan).await
        } else {
            let servers = cluster::servers().await;
            let measured = Box::pin(figure.measure(plan, &servers)).await;
            servers.take_down().await;
            measured
        };
        for table in &measured {
            eprintln!("{table}");
        }
        tables.extend(measured);
    }
    tables
}

impl Figure {
    async fn measure(self, plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
        match self {
            Self::Polls => polls::measure(plan, servers).await,
            Self::Freshness => Box::pin(freshness::measure(plan, servers)).await,
            Self::Submits => submits::measure(plan, servers).await,
            Self::Listing => listing::measure(plan, servers).await,
            Self::Memory => memory::measure(plan, servers).await,
            Self::Cost => cost::measure(plan, servers).await,
            Self::Embedded => embedded::measure(plan).await,
            Self::ScaleOut => scale_out::measure(plan, servers).await,
            Self::Flow => Box::pin(flow::measure(plan, servers)).await,
            Self::Platforms => Box::pin(platforms::measure(plan, servers)).await,
        }
    }

    /// Whether this figure measures every build of a plan.
    pub fn compares_builds(self) -> bool {
        matches!(
            self,
            Self::Polls | Self::Freshness | Self::Submits | Self::Cost | Self::ScaleOut
        )
    }
}
