//! The Store calls that concurrent submits share.

use std::time::Duration;

use shared::clock::SharedClock;
use shared::store::Store;
use shared::store::batcher::{Batcher, Policy, all_or_each};
use shared::store::turns::{Accepted, Begun, Intention, SubmitJob};
use shared::task::AtTurn;

use crate::context::LEASE_SLACK;

/// One batch at a time and a pause between two: a dozen statements with a flush each become one. No client
/// waits for a worker, and a submit takes seconds anyway.
const POLICY: Policy = Policy {
    slots: 1,
    max_items: 100,
    pause: Duration::from_millis(100),
};

/// The Store calls that concurrent submits share. Each answers `None` for a task that is at another turn.
pub(crate) struct Batches {
    /// Reads tasks to submit.
    pub read: Batcher<AtTurn, Option<SubmitJob>>,
    /// Records intentions to submit.
    pub begin: Batcher<Intention, Option<Begun>>,
    /// Records that upstreams accepted tasks.
    pub accept: Batcher<Accepted, Option<AtTurn>>,
    /// How long an intention is left alone that nobody renews.
    pub lease: Duration,
}

impl Batches {
    /// Batches for a worker whose submits take up to `submit_timeout`.
    pub fn new(store: &Store, clock: &SharedClock, submit_timeout: Duration) -> Self {
        // Twice the slack of a poll: an outcome that is lost here is lost for good.
        let lease = submit_timeout + 2 * LEASE_SLACK;
        let (reading, beginning, accepting) = (store.clone(), store.clone(), store.clone());
        let (begin_clock, accept_clock) = (clock.clone(), clock.clone());
        Self {
            lease,
            read: batcher(move |tasks: Vec<AtTurn>| {
                let store = reading.clone();
                async move {
                    let jobs = store.submit_jobs(&tasks).await?;
                    Ok(in_order(&tasks, jobs, |at, job| job.at == *at))
                }
            }),
            begin: batcher(move |intentions: Vec<Intention>| {
                let (store, now) = (beginning.clone(), begin_clock.now());
                async move {
                    let begun = store.begin_submits(&intentions, now.after(lease), now);
                    Ok(in_order(&intentions, begun.await?, |one, begun| {
                        begun.at.row == one.at.row && begun.claim == one.claim
                    }))
                }
            }),
            accept: batcher(move |tasks: Vec<Accepted>| {
                let (store, now) = (accepting.clone(), accept_clock.now());
                async move {
                    let accepted = store.accept(tasks.clone(), now).await?;
                    Ok(in_order(&tasks, accepted, |one, at| at.row == one.at.row))
                }
            }),
        }
    }
}

/// A batcher whose items fail alone if their batch fails.
fn batcher<Item, Outcome, Done>(
    work: impl Fn(Vec<Item>) -> Done + Clone + Send + Sync + 'static,
) -> Batcher<Item, Option<Outcome>>
where
    Item: Clone + Send + 'static,
    Outcome: Send + 'static,
    Done: Future<Output = shared::store::Result<Vec<Option<Outcome>>>> + Send + 'static,
{
    Batcher::new(POLICY, move |items| all_or_each(items, work.clone()))
}

/// The outcome of each item, in the order of the items; `None` for an item without one.
fn in_order<Item, Outcome>(
    items: &[Item],
    mut outcomes: Vec<Outcome>,
    is_of: impl Fn(&Item, &Outcome) -> bool,
) -> Vec<Option<Outcome>> {
    let outcome_of = |item| {
        let found = outcomes.iter().position(|outcome| is_of(item, outcome));
        found.map(|found| outcomes.swap_remove(found))
    };
    items.iter().map(outcome_of).collect()
}
