//! Asks a channel about tasks: in one call, unless the channel refuses the ids as a whole.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use shared::store::channels::Channel;
use shared::task::step::Observation;
use tokio::time::Instant;

use crate::context::Context;
use crate::rest::is_at_fault;
use upstream::{Asked, Driver, FetchOutcome, Trouble};

/// What a channel said about the tasks it was asked about.
#[derive(Default)]
pub struct Answer {
    /// What the channel said, by upstream id.
    pub known: HashMap<String, Observation>,
    /// The upstream ids that the channel answered. An id in here and not in `known` was left out, or
    /// refused; an id that is not in here was not asked about in the end.
    pub answered: HashSet<String>,
    /// What went wrong, if anything did. No call was made after that.
    pub trouble: Option<Trouble>,
    /// How long the slowest call took.
    pub slowest: Duration,
    /// Whether this worker could not call, and rests. No call was made after that.
    pub is_cut_off: bool,
}

/// The most calls for one answer: enough to find one bad id among a hundred, and a bound for a wrong
/// address, which refuses everything. It holds beside the calls that there are groups.
const MOST_CALLS: u32 = 24;

/// Asks about each of `groups` in a call of its own, as soon as the channel's bound of calls allows it; `paid` calls were
/// reserved by the caller. A group is halved if the upstream refuses the group or its
/// answer is too large, until each bad id is alone: an upstream may answer 404 for a hundred ids because of one,
/// and that must harm one task only. No call begins later than `UPSTREAM_FETCH_TIMEOUT` after the first call, so
/// all calls together take at most twice `UPSTREAM_FETCH_TIMEOUT`.
pub async fn fetch(
    context: &Context,
    driver: Driver<'_>,
    channel: &Channel,
    groups: Vec<Vec<Asked>>,
    mut paid: u32,
) -> Answer {
    let mut answer = Answer::default();
    let until = context.now().after(context.settings.fetch_timeout);
    let mut calls = 0;
    let mut huge = None;
    let at_once = driver.limits().ids_per_fetch.max(1) as usize;
    let mut groups: Vec<Vec<Asked>> = groups
        .iter()
        .flat_map(|asked| asked.chunks(at_once).map(<[Asked]>::to_vec))
        .collect();
    let most_calls = MOST_CALLS + u32::try_from(groups.len()).unwrap_or(u32::MAX);
    while let Some(mut group) = groups.pop() {
        let out_of_time = calls > 0 && context.now() >= until;
        if out_of_time || answer.trouble.is_some() || answer.is_cut_off {
            break;
        }
        if paid == 0 {
            let left = u32::try_from(groups.len()).unwrap_or(u32::MAX);
            if let Err(error) = context.wait_to_fetch(channel.id, left + 1).await {
                tracing::debug!(%error, "no fetch could be reserved");
                answer.is_cut_off = true;
                break;
            }
        } else {
            paid -= 1;
        }
        calls += 1;
        let began = Instant::now();
        let fetched = driver.fetch(channel, &group).await;
        answer.slowest = answer.slowest.max(began.elapsed());
        match fetched {
            FetchOutcome::Answered(known) => {
                answer.known.extend(known);
                answer.answered.extend(ids(group));
            }
            // A huge answer about one id may be an accident, so it counts if it comes twice.
            FetchOutcome::TooLarge(observation) if group.len() == 1 && calls < most_calls => {
                let one = group.remove(0);
                if huge.as_ref() == Some(&one) {
                    answer.answered.insert(one.upstream_id.clone());
                    answer.known.insert(one.upstream_id, *observation);
                } else {
                    huge = Some(one.clone());
                    groups.push(vec![one]);
                }
            }
            // The id stands alone, or no call is left: it counts as left out of this answer.
            FetchOutcome::IdsRefused | FetchOutcome::TooLarge(_)
                if group.len() == 1 || calls >= most_calls =>
            {
                answer.answered.extend(ids(group));
            }
            FetchOutcome::IdsRefused | FetchOutcome::TooLarge(_) => {
                groups.push(group.split_off(group.len() / 2));
                groups.push(group);
            }
            FetchOutcome::Failed(trouble) => answer.trouble = Some(trouble),
            FetchOutcome::NotConnected(why) => {
                if is_at_fault(context, channel, &why).await {
                    answer.is_cut_off = true;
                } else {
                    answer.trouble = Some(Trouble::no_connection(&why));
                }
            }
        }
    }
    answer
}

fn ids(asked: Vec<Asked>) -> impl Iterator<Item = String> {
    asked.into_iter().map(|one| one.upstream_id)
}
