//! Asking a channel about tasks of ours: in one call, unless it refuses the ids as a whole.

use std::collections::{HashMap, HashSet};

use shared::store::channels::Channel;
use shared::task::step::Observation;

use crate::context::Context;
use crate::upstream::{FetchOutcome, Trouble};

/// What a channel said of the tasks it was asked about.
#[derive(Default)]
pub struct Answer {
    /// What it said, by its own names.
    pub known: HashMap<String, Observation>,
    /// The names that it was asked about and answered. One that is here and not in `known` was left
    /// out, or refused; one that is not here was not asked about in the end.
    pub answered: HashSet<String>,
    /// What went wrong, if anything did. Nothing was asked after that.
    pub trouble: Option<Trouble>,
}

/// The most calls for one answer: enough to find one bad id among a hundred, and not so many that a
/// wrong address, which refuses everything, is asked for ever.
const MOST_CALLS: u32 = 24;

/// Asks about each of `groups` in a call of its own. A group that is refused is halved until the ids
/// that do it stand alone: an upstream that answers 404 for a whole batch because of one id hurts
/// nobody but that one. Begins no call later than `UPSTREAM_FETCH_TIMEOUT` after the first, so that
/// all of it takes at most twice that.
pub async fn fetch(context: &Context, channel: &Channel, groups: Vec<Vec<String>>) -> Answer {
    let mut answer = Answer::default();
    let until = context.now().after(context.settings.fetch_timeout);
    let mut calls = 0;
    let mut groups: Vec<Vec<String>> = groups.into_iter().filter(|ids| !ids.is_empty()).collect();
    while let Some(mut group) = groups.pop() {
        let out_of_time = calls > 0 && context.now() >= until;
        if out_of_time || answer.trouble.is_some() {
            break;
        }
        calls += 1;
        match context
            .platform(channel.platform)
            .fetch(channel, &group)
            .await
        {
            FetchOutcome::Answered(known) => {
                answer.known.extend(known);
                answer.answered.extend(group);
            }
            // Alone, or no more calls to spend: left out this time.
            FetchOutcome::IdsRefused if group.len() == 1 || calls >= MOST_CALLS => {
                answer.answered.extend(group);
            }
            FetchOutcome::IdsRefused => {
                groups.push(group.split_off(group.len() / 2));
                groups.push(group);
            }
            FetchOutcome::Failed(trouble) => answer.trouble = Some(trouble),
        }
    }
    answer
}
