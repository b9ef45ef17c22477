//! When the tasks at each channel are looked at: made anew as their number and their habits change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::backoff::growing;
use shared::broker::message::MOST_TASKS;
use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::looks::Learnt;
use shared::task::looks::bound::CallBound;
use shared::task::looks::chances::Chances;
use shared::task::looks::durations::Durations;
use shared::task::looks::plan::{Allowed, InFlight, Plan, plans};
use shared::task::wait::Rung;
use shared::task::{Action, ChannelId};
use upstream::{Driver, Limits};

use crate::context::{Context, LONGEST_PAUSE};
use crate::schedule::overhead;

/// The pause between two rounds.
const EVERY: Duration = Duration::from_secs(1);
/// How often what all workers learnt is read, in rounds.
const READ_EVERY: u32 = 5;
/// As how many ends lately an action counts of which none ended: so that it has a part in the plan.
const BEGIN: f64 = 0.05;

/// How the tasks at one channel are looked at.
#[derive(Debug, Clone)]
pub struct ChannelPlan {
    /// How many fetches a second there may be, over all workers together; `None`: any number.
    pub bound: Option<u32>,
    /// How many tasks a fetch asks about.
    pub ids_per_fetch: u32,
    /// Whether all fetches are needed: tasks could be looked at more often if there were more.
    pub is_scarce: bool,
    plans: HashMap<Action, Plan>,
}

/// The most tasks in one batch of a channel that is asked about one at a time: no batch takes long.
const ONE_BY_ONE: usize = 10;

impl ChannelPlan {
    /// The plan of a channel that is new, or whose platform this worker has no driver for.
    pub fn unknown() -> Self {
        Self {
            bound: None,
            ids_per_fetch: 100,
            is_scarce: false,
            plans: HashMap::new(),
        }
    }

    /// How many tasks travel in one message. Where calls are bounded, messages are small, so that they fill a batch.
    pub fn tasks_per_message(&self) -> usize {
        if self.bound.is_some() {
            self.tasks_per_batch().div_ceil(5)
        } else {
            self.tasks_per_batch()
        }
    }

    /// How many tasks are asked about in one batch.
    pub fn tasks_per_batch(&self) -> usize {
        if self.ids_per_fetch > 1 {
            MOST_TASKS
        } else {
            ONE_BY_ONE
        }
    }

    /// How many calls it takes to ask about so many tasks.
    pub fn calls(&self, tasks: usize) -> u32 {
        let tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
        tasks.div_ceil(self.ids_per_fetch.max(1))
    }

    /// The delay before the first look at a task.
    pub fn first(&self, action: Action) -> Rung {
        self.plans.get(&action).map_or(Rung::SHORTEST, Plan::first)
    }

    /// The delay after a look at a task of this age.
    pub fn after(&self, action: Action, age: Duration) -> Rung {
        let plan = self.plans.get(&action);
        // Nothing of such an action ended here yet, and the channel does not serve it any more.
        let plan = plan.or_else(|| self.plans.values().next());
        plan.map_or(Rung::SHORTEST, |plan| plan.after(age))
    }
}

/// What a plan is made of.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    tasks: u32,
    /// How many fetches a second are set.
    set: Option<u32>,
    /// How many there may be now, in thousandths.
    bound: Option<i64>,
}

impl Given {
    /// How many fetches a second there may be.
    fn fetches(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a bound is a small number")]
        self.bound.map(|bound| bound as f64 / 1_000.0)
    }

    /// Whether a plan for this serves for `other`, too.
    fn is_close(&self, other: &Self) -> bool {
        let tenth = self.tasks / 10;
        (self.set, self.bound) == (other.set, other.bound)
            && self.tasks.abs_diff(other.tasks) <= tenth
    }
}

/// How many fetches a second an operator set for the channel, or its platform's number; `None`: any number.
fn set_bound(channel: &Channel, limits: Limits) -> Option<u32> {
    let set = channel
        .polls_per_second
        .unwrap_or_else(|| limits.fetches_per_second());
    (set > 0).then_some(set)
}

/// Makes plans until a stop is requested.
pub async fn run(context: Arc<Context>) {
    let mut planner = Planner::default();
    let (mut round, mut failures) = (0, 0);
    while !context.stop.is_requested() {
        failures = match planner.round(&context, round % READ_EVERY == 0).await {
            Ok(()) => 0,
            Err(error) => {
                tracing::warn!(%error, "what polls go by could not be read; it will be");
                failures + 1
            }
        };
        round += 1;
        tokio::select! {
            () = context.stop.requested() => {}
            () = tokio::time::sleep(growing(EVERY, 2.0, LONGEST_PAUSE, failures)) => {}
        }
    }
}

/// Makes plans once, before anything is polled.
pub async fn begin(context: &Context) {
    if let Err(error) = Planner::default().round(context, true).await {
        tracing::warn!(%error, "what polls go by could not be read; it will be");
    }
}

/// So many times as many looks as the channel allows are planned at first.
const SHARE: f64 = 0.95;
/// The least and the most of it: some calls are not full, and some gaps take longer than planned.
const SHARES: (f64, f64) = (0.5, 1.6);
/// How late polls are if more is planned than can be done: by a part of the mean gap, and by this at least.
const LATE: (f64, Duration) = (0.12, Duration::from_millis(1_200));
/// How late they are if more can be planned.
const ON_TIME: (f64, Duration) = (0.06, Duration::from_millis(700));

#[derive(Default)]
struct Planner {
    learnt: Learnt,
    /// So many times as many looks as a channel allows are planned, by how late its polls of late were.
    shares: HashMap<ChannelId, f64>,
    /// The mean time between two looks at a task.
    gaps: HashMap<ChannelId, Duration>,
    made_of: HashMap<ChannelId, Given>,
}

impl Planner {
    /// Writes what this worker saw, and makes the plans anew that no longer fit. `reads`: also reads what all workers
    /// saw, and makes all plans anew.
    async fn round(&mut self, context: &Context, reads: bool) -> Result<(), StoreError> {
        let now = context.now();
        let channels = context.channels.all().await?;
        let gates = context.store.gates(now).await?;
        if reads {
            write(context).await?;
            self.learnt = context.store.durations().await?;
            for (channel, late) in context.channels.take_lateness() {
                self.correct(channel, late);
            }
        }
        let bounds = context.store.call_bounds().await?;
        for channel in channels.iter() {
            let Some(driver) = context.upstreams.driver(channel) else {
                continue;
            };
            let set = set_bound(channel, driver.limits());
            let bound = bounds.get(&channel.id).copied().unwrap_or_default();
            let given = Given {
                tasks: gates.get(&channel.id).map_or(0, |gate| gate.running),
                set,
                bound: set.map(|set| CallBound::in_force(bound, set, now)),
            };
            let known = self.made_of.get(&channel.id);
            let fits = known.is_some_and(|known| known.is_close(&given));
            if fits && (!reads || given.tasks == 0) {
                continue;
            }
            let (plan, gap) = self.plan(context, channel, driver, &given);
            show(channel, &given, gap);
            context.channels.set_plan(channel.id, plan);
            self.gaps.insert(channel.id, gap);
            self.made_of.insert(channel.id, given);
        }
        Ok(())
    }

    fn share(&self, channel: ChannelId) -> f64 {
        self.shares.get(&channel).copied().unwrap_or(SHARE)
    }

    /// Plans fewer looks where they were late, and more where they were not.
    fn correct(&mut self, channel: ChannelId, late: Duration) {
        let share = self.share(channel);
        let gap = self.gaps.get(&channel).copied().unwrap_or_default();
        let limit = |(part, least): (f64, Duration)| gap.mul_f64(part).max(least);
        let corrected = if late > limit(LATE) {
            share * 0.97
        } else if late < limit(ON_TIME) {
            share * 1.03
        } else {
            share
        };
        let (least, most) = SHARES;
        let corrected = corrected.clamp(least, most);
        tracing::debug!(
            channel = channel.0,
            ?late,
            share = corrected,
            "polls of late"
        );
        self.shares.insert(channel, corrected);
    }

    /// A plan, and the mean time between two looks at a task.
    fn plan(
        &self,
        context: &Context,
        channel: &Channel,
        driver: Driver<'_>,
        given: &Given,
    ) -> (ChannelPlan, Duration) {
        // What a channel does not serve any more may still be in flight there.
        let served = channel.actions.as_slice().iter().copied();
        let learnt = self.learnt.keys().filter(|(of, _)| *of == channel.id);
        let mut actions: Vec<Action> = served.chain(learnt.map(|(_, action)| *action)).collect();
        actions.sort_unstable();
        actions.dedup();
        let nothing = Durations::default();
        let in_flight = actions.iter().map(|action| {
            let learnt = self.learnt.get(&(channel.id, *action)).unwrap_or(&nothing);
            InFlight {
                chances: Chances::new(learnt, driver.guess(*action)),
                begin: f64::from(learnt.lately(context.now())) + BEGIN,
            }
        });
        let in_flight: Vec<InFlight> = in_flight.collect();
        let limits = driver.limits();
        let allowed = Allowed {
            looks: given
                .fetches()
                .map(|fetches| fetches * f64::from(limits.ids_per_fetch) * self.share(channel.id)),
            pace: context.settings.pace,
            overhead,
        };
        let made = plans(&in_flight, given.tasks, &allowed);
        let plan = ChannelPlan {
            bound: given.set,
            ids_per_fetch: limits.ids_per_fetch,
            is_scarce: made.is_scarce,
            plans: actions.into_iter().zip(made.plans).collect(),
        };
        (plan, made.gap)
    }
}

/// Writes how long tasks took that this worker saw end.
async fn write(context: &Context) -> Result<(), StoreError> {
    let seen = context.channels.take_seen();
    if seen.is_empty() {
        return Ok(());
    }
    context.store.add_durations(seen, context.now()).await
}

fn show(channel: &Channel, given: &Given, gap: Duration) {
    let name = || channel.name.clone();
    let limit = metrics::gauge!("task_center_channel_fetches_limit", "channel" => name());
    limit.set(given.fetches().unwrap_or(f64::INFINITY));
    let shown = if given.tasks > 0 { gap } else { Duration::ZERO };
    metrics::gauge!("task_center_channel_poll_gap_seconds", "channel" => name()).set(shown);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_looks_are_planned_where_they_are_late_by_a_part_of_the_gap() {
        let channel = ChannelId(1);
        let mut planner = Planner::default();
        let mut share_after = |late: Duration, gap: Duration| {
            planner.gaps.insert(channel, gap);
            for _ in 0..100 {
                planner.correct(channel, late);
            }
            planner.share(channel)
        };
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        let (least, most) = SHARES;
        let is = |share: f64, other: f64| (share - other).abs() < 1e-9;
        assert!(is(share_after(second * 2, second * 2), least));
        assert!(is(share_after(second / 2, second * 2), most));
        assert!(is(share_after(second * 2, minute), most));
        assert!(is(share_after(second * 9, minute), least));
    }

    #[test]
    fn a_plan_serves_as_long_as_about_as_many_tasks_are_there() {
        let given = |tasks, bound| Given {
            tasks,
            set: Some(5),
            bound,
        };
        let known = given(100, Some(5_000));
        assert!(known.is_close(&given(110, Some(5_000))));
        assert!(!known.is_close(&given(111, Some(5_000))));
        assert!(!known.is_close(&given(100, Some(4_000))));
        assert!(!known.is_close(&given(100, None)));
    }
}
