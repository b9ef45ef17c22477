//! Limits and fairness: channels that are kept full and never flooded, users who do not wait for each other.
//!
//! | file | what it holds |
//! |---|---|
//! | `stand` | a task center whose channels are used one after the other, and its users |
//! | `full` | a channel with few places, with its limit set and with the limit learnt |
//! | `failing` | requests that always fail, beside others |
//! | `behind` | a user's first song behind the many of another |
//! | `fair` | many users with limits who share few places |
//! | `limited` | polls and songs a second with limits on everything, beside none |
//! | `choice` | choosing who is next among very many |

mod behind;
mod choice;
mod failing;
mod fair;
mod full;
mod limited;
mod stand;

use std::sync::Arc;

use harness::cluster::Backend;
use harness::servers::Servers;

use self::stand::Stand;
use super::Plan;
use super::requirement::{self, Requirement};
use crate::report::Table;

/// A part of the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// A channel with few places and a limit: how long many songs take, and how often it says 429
    Full,
    /// The same channel without a limit
    Learnt,
    /// Songs of others while one user's requests always fail
    Failing,
    /// Many users with limits: how places are shared, and whether a limit is ever exceeded
    Fair,
    /// A user's first song behind the many of another
    Behind,
    /// Polls and songs a second with limits on everything
    Limited,
    /// Choosing who is next among very many
    Choice,
}

impl Part {
    /// The parts that run on one task center, one after the other. The last leaves tasks behind.
    const ON_A_STAND: [Self; 5] = [
        Self::Full,
        Self::Learnt,
        Self::Failing,
        Self::Fair,
        Self::Behind,
    ];

    async fn measure(self, plan: &Plan, stand: &mut Stand) -> Vec<Requirement> {
        match self {
            Self::Full => full::measure(plan, stand, full::Limit::Set).await,
            Self::Learnt => full::measure(plan, stand, full::Limit::Learnt).await,
            Self::Failing => failing::measure(plan, stand).await,
            Self::Fair => fair::measure(plan, stand).await,
            Self::Behind => behind::measure(plan, stand).await,
            Self::Limited | Self::Choice => Vec::new(),
        }
    }
}

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let about = "What must hold of limits and fairness, on an API and two workers with PostgreSQL and RabbitMQ, and on \
                 `task-center` with SQLite. POLL_INITIAL_DELAY and POLL_MAX_DELAY are 1 s, as a place is \
                 known to be free when we see its song end. Limits and places are counted by the upstream.";
    let columns = ["on", "part", "what", "measured", "must be", "holds"];
    let mut table = Table::new("flow", about, &columns);
    let private = Backend::Private(Arc::clone(servers));
    let on_servers = async {
        let mut found = on_a_stand(plan, private).await;
        if plan.wants(Part::Limited) {
            found.extend(Box::pin(limited::measure(plan, servers)).await);
        }
        if plan.wants(Part::Choice) {
            found.extend(choice::measure(plan, servers).await);
        }
        found
    };
    let on_sqlite = on_a_stand(plan, Backend::OneProcess);
    let (on_servers, on_sqlite) = if plan.short {
        tokio::join!(Box::pin(on_servers), Box::pin(on_sqlite))
    } else {
        (Box::pin(on_servers).await, Box::pin(on_sqlite).await)
    };
    for (on, found) in [("PostgreSQL, RabbitMQ", on_servers), ("SQLite", on_sqlite)] {
        for requirement in found {
            table.row(requirement.row(on));
        }
    }
    vec![table]
}

async fn on_a_stand(plan: &Plan, backend: Backend) -> Vec<Requirement> {
    let mut wanted = Vec::from(Part::ON_A_STAND);
    wanted.retain(|part| plan.wants(*part));
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut stand = Box::pin(Stand::start(plan, backend)).await;
    for part in wanted {
        eprintln!("flow: {part:?} …");
        let measured = Box::pin(part.measure(plan, &mut stand)).await;
        for requirement in &measured {
            eprintln!("flow: {requirement}");
        }
        found.extend(measured);
    }
    stand.take_down().await;
    found
}
