//! How soon the end of a song is seen: the time from the upstream's end until our SUCCESS.
//!
//! | file | what it holds |
//! |---|---|
//! | `load` | songs and lyrics that are submitted at a steady rate, and how long the upstream takes for them |
//! | `stand` | a task center of one build whose channels are used one after the other |
//! | `measured` | lateness, calls and processor time |
//! | `baseline` | what a loop and evenly spread looks would see of the same songs |
//! | `submitted` | the parts with real submits |
//! | `laid` | very many in flight over ten channels, laid into the database |
//! | `embedded` | few in flight in one process, and then none |
//! | `hanging` | many in flight beside a channel that never answers a fetch |

mod baseline;
mod embedded;
mod hanging;
mod laid;
mod load;
mod measured;
mod stand;
mod submitted;

use std::sync::Arc;

use futures_util::future::{LocalBoxFuture, join_all};
use harness::cluster::Backend;
use harness::servers::Servers;

use self::measured::Measured;
use self::stand::Stand;
use self::submitted::{ON_SERVERS, Run, Submitted};
use super::requirement::Requirement;
use super::{Build, Plan};
use crate::report::Table;

/// A part of the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// 100 in flight at a channel with the default number of calls a second
    Hundred,
    /// 1,000 in flight at such a channel
    Thousand,
    /// 10,000 in flight at a channel with 20 calls a second
    TenThousand,
    /// 10,000 in flight at a channel with 5 calls a second, beside evenly spread looks
    Even,
    /// 1,000 in flight at an upstream that answers 429 above 2 calls a second
    Refused,
    /// 1,000 in flight at a channel whose dialect asks about one id a call; measured only if named
    OneId,
    /// 100,000 in flight over ten channels, laid into the database at mixed ages
    Laid,
    /// 20 in flight in one process on `SQLite`, and then none
    Embedded,
    /// Many in flight beside a channel that never answers a fetch
    Hanging,
}

impl Part {
    /// Its name, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hundred => "hundred",
            Self::Thousand => "thousand",
            Self::TenThousand => "ten-thousand",
            Self::Even => "even",
            Self::Refused => "refused",
            Self::OneId => "one-id",
            Self::Laid => "laid",
            Self::Embedded => "embedded",
            Self::Hanging => "hanging",
        }
    }

    /// Whether it is measured only if it is named: another build, which is measured beside this one, may have no dialect
    /// that asks about one id a call.
    pub fn must_be_named(self) -> bool {
        self == Self::OneId
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    requirements: Vec<Requirement>,
    measured: Vec<Measured>,
}

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let about = "What must hold of lateness, the time from the upstream's end of a song until our SUCCESS, and of \
                 the calls that ask for songs, counted by the upstream: with an API and two workers on PostgreSQL \
                 and RabbitMQ, or with `task-center` on SQLite (embedded).";
    let columns = ["part", "what", "measured", "must be", "holds"];
    let mut must_hold = Table::new("freshness", about, &columns);
    let about = "Lateness, calls and processor time. Songs take a lognormal time (median 90 s, sigma 0.4, cut to \
                 30 s to 300 s), lyrics 5 s to 30 s; one submit in ten is of lyrics, none in `even` and `laid`. They \
                 are submitted at a steady rate by a Poisson process, and ends count after two mean songs. Other \
                 builds get the same songs at the same moments. Computed are, for the songs of this build: a loop \
                 whose calls take no time; and looks at all songs in flight in turn, with full calls, as many a second \
                 as this build made. Songs of `laid` end without others coming; its processor time is that of the \
                 first 100 s. The songs of `hanging` end spread over two intervals.";
    let mut lateness = Measured::table(about);
    let wanted: Vec<LocalBoxFuture<'_, Found>> = vec![
        Box::pin(on_servers(plan, servers)),
        Box::pin(laid::measure(plan, servers)),
        Box::pin(hanging::measure(plan, servers)),
        Box::pin(embedded::measure(plan)),
    ];
    for found in each(plan, wanted).await {
        for requirement in found.requirements {
            must_hold.row(requirement.row("").split_off(1));
        }
        for measured in found.measured {
            lateness.row(measured.row());
        }
    }
    vec![must_hold, lateness]
}

/// The parts with PostgreSQL and RabbitMQ, on each build.
async fn on_servers(plan: &Plan, servers: &Arc<Servers>) -> Found {
    if !ON_SERVERS.iter().any(|one| plan.wants(one.part)) {
        return Found::default();
    }
    let backend = Backend::Private(Arc::clone(servers));
    on_builds(plan, &backend, &plan.builds, &ON_SERVERS).await
}

/// The wanted ones of these parts on these builds, each on a stand of its own.
async fn on_builds(plan: &Plan, backend: &Backend, builds: &[Build], parts: &[Submitted]) -> Found {
    let runs = builds.iter().enumerate().map(|(number, build)| {
        let runs = async move {
            let mut stand = Box::pin(Stand::start(plan, backend.clone(), build)).await;
            let runs = submitted::run_all(plan, &mut stand, number, parts).await;
            stand.take_down().await;
            runs
        };
        Box::pin(runs) as LocalBoxFuture<'_, Vec<Run>>
    });
    let runs = each(plan, runs.collect()).await;
    by_part(plan, runs, parts)
}

/// What was found of each part, of its runs by build.
fn by_part(plan: &Plan, runs: Vec<Vec<Run>>, parts: &[Submitted]) -> Found {
    let mut runs: Vec<_> = runs.into_iter().map(Vec::into_iter).collect();
    let mut all = Found::default();
    for part in parts.iter().filter(|one| plan.wants(one.part)) {
        let found = part.found(runs.iter_mut().filter_map(Iterator::next).collect());
        for requirement in &found.requirements {
            eprintln!("freshness: {requirement}");
        }
        all.requirements.extend(found.requirements);
        all.measured.extend(found.measured);
    }
    all
}

/// The results of these, one after the other; in a short run all at once.
async fn each<T>(plan: &Plan, futures: Vec<LocalBoxFuture<'_, T>>) -> Vec<T> {
    if plan.short {
        return join_all(futures).await;
    }
    let mut results = Vec::new();
    for future in futures {
        results.push(future.await);
    }
    results
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn a_part_has_the_name_by_which_it_is_asked_for() {
        for part in Part::value_variants() {
            let value = part.to_possible_value().expect("no part is hidden");
            assert_eq!(value.get_name(), part.name());
        }
    }
}
