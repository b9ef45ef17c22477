//! Asks a channel about tasks: in one call, unless the channel refuses the ids as a whole.

use std::collections::{HashMap, HashSet};

use shared::store::channels::Channel;
use shared::task::step::Observation;

use crate::context::Context;
use crate::rest::is_at_fault;
use upstream::{Driver, FetchOutcome, Trouble};

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
    /// Whether this worker could not call, and rests. No call was made after that.
    pub is_cut_off: bool,
}

/// The most calls for one answer: enough to find one bad id among a hundred, and a bound for a wrong
/// address, which refuses everything.
const MOST_CALLS: u32 = 24;

/// Asks about each of `groups` in a call of its own. A group is halved if the upstream refuses the group or its
/// answer is too large, until each bad id is alone: an upstream may answer 404 for a hundred ids because of one,
/// and that must harm one task only. No call begins later than `UPSTREAM_FETCH_TIMEOUT` after the first call, so
/// all calls together take at most twice `UPSTREAM_FETCH_TIMEOUT`.
pub async fn fetch(
    context: &Context,
    driver: Driver<'_>,
    channel: &Channel,
    groups: Vec<Vec<String>>,
) -> Answer {
    let mut answer = Answer::default();
    let until = context.now().after(context.settings.fetch_timeout);
    let mut calls = 0;
    let mut huge = None;
    let mut groups: Vec<Vec<String>> = groups.into_iter().filter(|ids| !ids.is_empty()).collect();
    while let Some(mut group) = groups.pop() {
        let out_of_time = calls > 0 && context.now() >= until;
        if out_of_time || answer.trouble.is_some() || answer.is_cut_off {
            break;
        }
        calls += 1;
        match driver.fetch(channel, &group).await {
            FetchOutcome::Answered(known) => {
                answer.known.extend(known);
                answer.answered.extend(group);
            }
            // A huge answer about one id may be an accident, so it counts if it comes twice.
            FetchOutcome::TooLarge(observation) if group.len() == 1 && calls < MOST_CALLS => {
                let id = group.remove(0);
                if huge.as_ref() == Some(&id) {
                    answer.answered.insert(id.clone());
                    answer.known.insert(id, *observation);
                } else {
                    huge = Some(id.clone());
                    groups.push(vec![id]);
                }
            }
            // The id stands alone, or no call is left: it counts as left out of this answer.
            FetchOutcome::IdsRefused | FetchOutcome::TooLarge(_)
                if group.len() == 1 || calls >= MOST_CALLS =>
            {
                answer.answered.extend(group);
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
