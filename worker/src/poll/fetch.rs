//! Asks a channel about tasks: in one call, unless the channel refuses the ids as a whole.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shared::store::channels::Channel;
use shared::task::step::Observation;
use tokio::time::Instant;

use crate::channels::failed::Meaning;
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
    /// What went wrong in calls about one task, by upstream id, that says nothing of the channel.
    pub of_one: HashMap<String, Trouble>,
    /// What is wrong with the channel, if anything is. No call was made after that.
    pub trouble: Option<Trouble>,
    /// How long the slowest call took.
    pub slowest: Duration,
    /// Whether this worker could not call, and rests. No call was made after that.
    pub is_cut_off: bool,
}

/// The most calls for one answer: enough to find one bad id among a hundred, and a bound for a wrong
/// address, which refuses everything. It holds beside the calls that there are groups.
const MOST_CALLS: u32 = 24;

/// Asks about each of `groups` in a call of its own, as soon as the channel's bound of calls allows it; `paid` calls
/// were reserved by the caller. As many calls are under way together as the platform says. A group is halved if the
/// upstream refuses the group or its answer is too large, until each bad id is alone: an upstream may answer 404 for
/// a hundred ids because of one, and that must harm one task only. For the same reason the failure of a call about
/// one task (5xx, no whole answer) says nothing of the channel, unless calls about three tasks fail in a row. No call
/// begins later than `UPSTREAM_FETCH_TIMEOUT` after the first call, so all calls together take at most twice
/// `UPSTREAM_FETCH_TIMEOUT`.
pub async fn fetch(
    context: &Context,
    driver: Driver<'_>,
    channel: &Channel,
    groups: Vec<Vec<Asked>>,
    mut paid: u32,
) -> Answer {
    let limits = driver.limits();
    let at_once = limits.ids_per_fetch.max(1) as usize;
    let is_alone = |one: &Asked| driver.is_asked_alone(one.action);
    let groups = groups.into_iter().flat_map(|asked| {
        let (alone, mut together): (Vec<Asked>, Vec<Asked>) = asked.into_iter().partition(is_alone);
        let mut groups: Vec<Vec<Asked>> = alone.into_iter().map(|one| vec![one]).collect();
        while together.len() > at_once {
            let rest = together.split_off(at_once);
            groups.push(std::mem::replace(&mut together, rest));
        }
        groups.extend(Some(together).filter(|group| !group.is_empty()));
        groups
    });
    let mut asking = Asking::new(context, channel, groups.collect());
    let until = context.now().after(context.settings.fetch_timeout);
    let mut under_way = FuturesUnordered::new();
    // It goes on where it was, although answers come meanwhile.
    let mut reserving = pin!(None);
    loop {
        let in_time = asking.calls == 0 || context.now() < until;
        let goes_on = in_time && asking.goes_on();
        if !goes_on && under_way.is_empty() {
            return asking.answer;
        }
        let has_room = under_way.len() < limits.calls_at_once.max(1) as usize;
        if goes_on && has_room && paid > 0 {
            paid -= 1;
            if let Some(group) = asking.next() {
                under_way.push(call(driver, channel, group));
            }
            continue;
        }
        if goes_on && has_room && reserving.is_none() {
            let left = u32::try_from(asking.groups.len()).unwrap_or(u32::MAX);
            reserving.set(Some(context.wait_to_fetch(channel.id, left)));
        }
        tokio::select! {
            reserved = async {
                match reserving.as_mut().as_pin_mut() {
                    Some(reserving) => reserving.await,
                    None => pending().await,
                }
            } => {
                reserving.set(None);
                match reserved {
                    Ok(()) => paid += 1,
                    Err(error) => {
                        tracing::debug!(%error, "no fetch could be reserved");
                        asking.answer.is_cut_off = true;
                    }
                }
            }
            Some((group, outcome, took)) = under_way.next(), if !under_way.is_empty() => {
                asking.answer.slowest = asking.answer.slowest.max(took);
                asking.take(group, outcome).await;
            }
        }
    }
}

/// Makes one call; returns whom it asked about, the outcome, and how long it took.
async fn call(
    driver: Driver<'_>,
    channel: &Channel,
    group: Vec<Asked>,
) -> (Vec<Asked>, FetchOutcome, Duration) {
    let began = Instant::now();
    let outcome = driver.fetch(channel, &group).await;
    (group, outcome, began.elapsed())
}

/// The groups that are still to be asked about, and what is known by now.
struct Asking<'a> {
    context: &'a Context,
    channel: &'a Channel,
    groups: Vec<Vec<Asked>>,
    answer: Answer,
    /// How many calls were begun.
    calls: u32,
    most_calls: u32,
    /// The ids whose answers alone were too large once.
    huge: HashSet<Asked>,
}

impl<'a> Asking<'a> {
    fn new(context: &'a Context, channel: &'a Channel, groups: Vec<Vec<Asked>>) -> Self {
        let most_calls = MOST_CALLS + u32::try_from(groups.len()).unwrap_or(u32::MAX);
        Self {
            context,
            channel,
            groups,
            answer: Answer::default(),
            calls: 0,
            most_calls,
            huge: HashSet::new(),
        }
    }

    fn goes_on(&self) -> bool {
        !self.groups.is_empty() && self.answer.trouble.is_none() && !self.answer.is_cut_off
    }

    fn next(&mut self) -> Option<Vec<Asked>> {
        let group = self.groups.pop()?;
        self.calls += 1;
        Some(group)
    }

    /// Takes the failure of a call about one task.
    fn failed(&mut self, one: &Asked, trouble: Trouble) {
        let channel = self.channel;
        let channels = &self.context.channels;
        match channels.note_failed(channel.id, &one.upstream_id) {
            Meaning::OfChannel => self.answer.trouble = Some(trouble),
            Meaning::OfTask { is_news } => {
                if is_news {
                    tracing::warn!(channel = %channel.name, what = trouble.shown(channel),
                        "the fetch of one task failed, and is tried again; if the fetches of three tasks fail in a \
                         row, this channel rests");
                }
                self.answer.of_one.insert(one.upstream_id.clone(), trouble);
            }
        }
    }

    async fn take(&mut self, mut group: Vec<Asked>, outcome: FetchOutcome) {
        if !matches!(
            outcome,
            FetchOutcome::Failed(_) | FetchOutcome::NotConnected(_)
        ) {
            self.context.channels.note_answered(self.channel.id);
        }
        let answer = &mut self.answer;
        match outcome {
            FetchOutcome::Answered(known) => {
                answer.known.extend(known);
                answer.answered.extend(ids(group));
            }
            // A huge answer about one id may be an accident, so it counts if it comes twice.
            FetchOutcome::TooLarge(observation)
                if group.len() == 1 && self.calls < self.most_calls =>
            {
                let one = group.remove(0);
                if self.huge.contains(&one) {
                    answer.answered.insert(one.upstream_id.clone());
                    answer.known.insert(one.upstream_id, *observation);
                } else {
                    self.huge.insert(one.clone());
                    self.groups.push(vec![one]);
                }
            }
            // The id stands alone, or no call is left: it counts as left out of this answer.
            FetchOutcome::IdsRefused | FetchOutcome::TooLarge(_)
                if group.len() == 1 || self.calls >= self.most_calls =>
            {
                answer.answered.extend(ids(group));
            }
            FetchOutcome::IdsRefused | FetchOutcome::TooLarge(_) => {
                self.groups.push(group.split_off(group.len() / 2));
                self.groups.push(group);
            }
            FetchOutcome::Failed(trouble) => match group.as_slice() {
                [one] if trouble.may_be_of_one_task() => self.failed(one, trouble),
                _ => answer.trouble = Some(trouble),
            },
            FetchOutcome::NotConnected(why) => {
                if is_at_fault(self.context, self.channel, &why).await {
                    answer.is_cut_off = true;
                } else {
                    answer.trouble = Some(Trouble::no_connection(&why));
                }
            }
        }
    }
}

fn ids(asked: Vec<Asked>) -> impl Iterator<Item = String> {
    asked.into_iter().map(|one| one.upstream_id)
}
