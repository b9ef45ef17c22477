//! One figure a file.
//!
//! Every comparison is made in one run on one machine, and given as a ratio: the median of several
//! rounds, with the spread.

mod cost;
mod embedded;
mod freshness;
mod listing;
mod memory;
mod polls;
mod scale_out;
mod submits;

use crate::report::Table;

/// How large and how often.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Small sizes and few rounds: shows that everything works, measures nothing worth keeping.
    pub short: bool,
    /// How often each comparison is made.
    pub rounds: u32,
}

impl Effort {
    /// `full`, or `short` where the run is a short one.
    pub fn size<T>(self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Figure {
    /// Status changes a second, beside one task at a time and the bare servers
    Polls,
    /// From the upstream's finish to our SUCCESS, with many in flight and one channel hanging
    Freshness,
    /// Submits a second through HTTP, beside pgbench with the same statements
    Submits,
    /// Pages of both listings by size, page and filter, beside OFFSET and COUNT(*)
    Listing,
    /// Memory of API and worker
    Memory,
    /// What one task costs upstream, broker and database
    Cost,
    /// Everything in one process on SQLite, beside bare statements
    Embedded,
    /// Processor time a task by the number of workers and APIs
    ScaleOut,
}

impl Figure {
    /// Measures it.
    pub async fn measure(self, effort: Effort) -> Vec<Table> {
        match self {
            Self::Polls => polls::measure(effort).await,
            Self::Freshness => freshness::measure(effort).await,
            Self::Submits => submits::measure(effort).await,
            Self::Listing => listing::measure(effort).await,
            Self::Memory => memory::measure(effort).await,
            Self::Cost => cost::measure(effort).await,
            Self::Embedded => embedded::measure(effort).await,
            Self::ScaleOut => scale_out::measure(effort).await,
        }
    }
}
