//! One batch, one poll: one read of its tasks, one fetch, one transaction.
//!
//! | module | what it does |
//! |---|---|
//! | [`batching`] | merges messages into batches |
//! | [`fetch`] | asks a channel about tasks |
//! | `outcome` | what an answer means for each task |

pub mod batching;
pub mod fetch;
mod outcome;

use std::sync::OnceLock;
use std::time::Duration;

use shared::clock::Millis;
use shared::store::StoreError;
use shared::store::channels::{Calls, Channel};
use shared::store::turns::PollJob;
use shared::task::cool_down::RestsFor;
use shared::task::{AtTurn, ChannelId};

use crate::channels::fetches::Permit;
use crate::context::{Context, LEASE_SLACK};
use crate::figures::{TurnState, Work, count_turns, record_lateness};
use crate::schedule::{FollowUp, LONGEST_BEAT};
use fetch::{Answer, fetch};
use outcome::Batch;
use upstream::{Asked, Driver};

/// How long a fetch may run before the leases of its tasks are renewed: well below the grace of the sweep.
const RENEW_AFTER: Duration = Duration::from_secs(5);
/// The wait of tasks whose platform this worker has no driver for: another worker may take them then.
const NO_DRIVER: Duration = Duration::from_secs(30);
/// A fetch that takes longer is a sign that the channel gets too many.
const SLOW: Duration = Duration::from_secs(5);

/// Polls those of `tasks` (at most a hundred, all at `channel`) that still are at their turn. Frees
/// `permit`, the slot at the channel, as soon as the answer is here and may be written.
pub async fn poll(
    context: &Context,
    channel: ChannelId,
    permit: Option<Permit>,
    tasks: &[AtTurn],
) -> Result<Vec<FollowUp>, StoreError> {
    let channels = context
        .ask_store("read the channels", || context.channels.all())
        .await?;
    let Some(channel) = channels.iter().find(|known| known.id == channel) else {
        for at in tasks {
            tracing::error!(
                row = at.row.0,
                turn = at.turn.0,
                "a message names a channel that does not exist"
            );
        }
        return Ok(Vec::new());
    };
    let read_at = context.now();
    let jobs = context
        .ask_store("read the tasks of a poll", || {
            context.store.poll_jobs(channel.id, tasks)
        })
        .await?;
    count_turns(Work::Poll, TurnState::Claimed, jobs.len());
    count_turns(Work::Poll, TurnState::Stale, tasks.len() - jobs.len());
    record_latenesses(context, channel, &jobs, read_at);
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let driver = context.upstreams.driver(channel);
    let cooling = channel.poll_cool_until > read_at;
    // At its deadline a task gets its last poll, even if the channel cools down.
    let (asked, cooling_jobs): (Vec<PollJob>, Vec<PollJob>) = jobs
        .into_iter()
        .partition(|job| driver.is_some() && (!cooling || job.deadline <= read_at));
    let answer = match driver {
        Some(driver) => {
            let paid = u32::from(permit.is_some());
            fetch_with_leases(context, driver, channel, &asked, paid).await
        }
        None => Answer::default(),
    };
    let is_well = answer.trouble.is_none() && !answer.answered.is_empty();
    if is_well && !answer.is_cut_off {
        context.warm_up(channel, Calls::Fetches).await;
    }
    lower_bound(context, channel, &answer).await;
    let cool_until = match (&answer.trouble, driver) {
        // It only said that this was too much.
        (Some(trouble), _) if trouble.busy && trouble.retry_after.is_none() => {
            channel.poll_cool_until
        }
        (Some(trouble), _) => {
            // An address that cannot be reached is trouble for submits, too.
            let calls = if trouble.is_no_connection() {
                Calls::Both
            } else {
                Calls::Fetches
            };
            context
                .cool_down(channel, calls, trouble, RestsFor::Everybody)
                .await
        }
        // Soon, at another worker.
        (None, _) if answer.is_cut_off => channel.poll_cool_until,
        (None, Some(_)) => channel.poll_cool_until,
        (None, None) => {
            tracing::warn!(platform = %channel.platform, channel = %channel.name,
                "this worker has no driver for the channel's platform");
            read_at.after(NO_DRIVER)
        }
    };
    // The slot is freed only now, so that answers that cannot be written yet do not pile up.
    let _settling = context.channels.settle_permit().await;
    drop(permit);
    let batch = Batch {
        context,
        driver,
        channel,
        now: context.now(),
        cool_until,
        plan: context.channels.plan(channel.id),
        end_seen: OnceLock::new(),
    };
    let outcomes = asked.iter().map(|job| batch.outcome(&answer, job)).chain(
        cooling_jobs
            .iter()
            .map(|job| batch.wait_for_channel(job, 0)),
    );
    batch.settle(outcomes.collect()).await
}

/// Lowers the channel's bound of fetches after a 429 or a slow answer.
async fn lower_bound(context: &Context, channel: &Channel, answer: &Answer) {
    let is_busy = answer.trouble.as_ref().is_some_and(|trouble| trouble.busy);
    let Some(set) = context.channels.plan(channel.id).bound else {
        return;
    };
    if !is_busy && answer.slowest < SLOW {
        return;
    }
    tracing::debug!(channel = %channel.name, is_busy, "the channel gets fewer fetches for a while");
    let now = context.now();
    if let Err(error) = context.store.lower_calls(channel.id, set, now).await {
        tracing::warn!(%error, channel = %channel.name, "a bound of fetches could not be lowered");
    }
}

/// Fetches. If the answer takes longer than [`RENEW_AFTER`], renews the leases of the tasks, so that the
/// sweep leaves them alone for as long as the fetch may take.
async fn fetch_with_leases(
    context: &Context,
    driver: Driver<'_>,
    channel: &Channel,
    jobs: &[PollJob],
    paid: u32,
) -> Answer {
    let _under_way = context.channels.fetching(channel.id);
    let fetching = fetch(context, driver, channel, groups(jobs), paid);
    tokio::pin!(fetching);
    tokio::select! {
        answer = &mut fetching => return answer,
        () = tokio::time::sleep(RENEW_AFTER) => {}
    }
    let renew = async {
        let tasks: Vec<AtTurn> = jobs.iter().map(|job| job.at).collect();
        let longest = context.settings.fetch_timeout * 2 + LEASE_SLACK;
        let until = context.now().after(longest);
        if let Err(error) = context.store.renew_leases(&tasks, until).await {
            tracing::warn!(%error, "leases could not be renewed; the tasks may be polled twice");
        }
    };
    tokio::join!(fetching, renew).0
}

/// Records how late these polls are, but not of tasks that the sweep found: the sweep measured those.
fn record_latenesses(context: &Context, channel: &Channel, jobs: &[PollJob], now: Millis) {
    let (mut all, mut polls) = (Duration::ZERO, 0);
    for job in jobs {
        if job.due_at.since(now) <= LONGEST_BEAT {
            let late = now.since(job.due_at);
            record_lateness(Work::Poll, late);
            all += late;
            polls += 1;
        }
    }
    context.channels.note_lateness(channel.id, all, polls);
}

/// The ids to ask about, in two calls: an id that was missing last time may make an upstream refuse a
/// whole batch, so those ids go in a call of their own.
fn groups(jobs: &[PollJob]) -> Vec<Vec<Asked>> {
    let (missing, others): (Vec<&PollJob>, Vec<&PollJob>) =
        jobs.iter().partition(|job| job.missing > 0);
    let asked = |jobs: Vec<&PollJob>| {
        let asked = jobs
            .iter()
            .map(|job| Asked::new(&*job.upstream_id, job.action));
        asked.collect()
    };
    vec![asked(missing), asked(others)]
}
