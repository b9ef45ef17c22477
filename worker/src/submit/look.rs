//! A look: finds the tasks whose turn is next, and the channels that have room for them, and sends them.
//!
//! Workers do not talk to each other. A worker looks when a message names a new task, when one of its own tasks has left
//! its channel, and every second. If two workers find the same task, one of them claims it ([`Store::begin_submits`]).
//!
//! [`Store::begin_submits`]: shared::store::Store::begin_submits

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use shared::backoff::growing;
use shared::clock::Millis;
use shared::store::StoreError;
use shared::store::channels::Channel;
use shared::store::lines::{Line, Waiting};
use shared::store::turns::{Intention, SubmitJob};
use shared::task::claims::Gate;
use shared::task::{AtTurn, ChannelId, RowId, UserId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::send::{Claimed, send};
use crate::channels::choice::{Next, Room, Rooms, assign, routes, share};
use crate::context::{Context, LONGEST_PAUSE};
use crate::figures::{Work, record_lateness};
use crate::run::finish;
use crate::schedule::{PendingAcks, Schedule};

/// The pause between two looks if nothing happens.
const EVERY: Duration = Duration::from_secs(1);
/// The shortest pause between two looks: what happens meanwhile is found by one look.
const SHORTEST: Duration = Duration::from_millis(50);
/// The pause after a look that found tasks and claimed none.
const LOST: Duration = Duration::from_millis(200);
/// How long a task is left alone that cannot be read, so that the others of its line get their turns.
const UNREADABLE: Duration = Duration::from_mins(5);
/// The most tasks that one look sends.
const AT_ONCE: u32 = 200;
/// From how many tasks the one is chosen that finds out whether a channel is well again.
const PROBES: u32 = 20;

/// Looks until a stop is requested, then waits for the answers to what was sent.
pub async fn run(context: Arc<Context>, schedule: Schedule) {
    let mut under_way: JoinSet<()> = JoinSet::new();
    let mut died = None;
    let (mut pause, mut failures) = (Duration::ZERO, 0);
    while died.is_none() && !context.stop.is_requested() {
        tokio::time::sleep(SHORTEST).await;
        tokio::select! {
            () = context.stop.requested() => break,
            () = context.looks.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = match look(&context).await {
            Ok(look) => {
                for (channel, claimed, permit) in look.claimed {
                    let work = submit(context.clone(), channel, claimed, permit, schedule.clone());
                    under_way.spawn(work);
                }
                failures = 0;
                look.next
            }
            Err(error) => {
                tracing::warn!(%error, "the tasks that wait could not be read; they will be");
                failures += 1;
                growing(EVERY, 2.0, LONGEST_PAUSE, failures)
            }
        };
        while let Some(ended) = under_way.try_join_next() {
            died = died.or(ended.err());
        }
    }
    finish(&context, under_way, died).await;
}

async fn submit(
    context: Arc<Context>,
    channel: Arc<Channel>,
    claimed: Claimed,
    permit: OwnedSemaphorePermit,
    schedule: Schedule,
) {
    let Claimed { at, job, .. } = &claimed;
    // Every log line about the task names it, its row and its turn. The span is at level ERROR, so that
    // no filter takes it off a line.
    let span =
        tracing::error_span!("submit", task = %job.task_id, row = at.row.0, turn = at.turn.0);
    let next = send(&context, &channel, &claimed).instrument(span).await;
    drop(permit);
    let next = next.into_iter().collect();
    schedule
        .schedule_after(next, PendingAcks::new(Vec::new()))
        .await;
}

/// What a look found.
struct Look {
    claimed: Vec<(Arc<Channel>, Claimed, OwnedSemaphorePermit)>,
    /// The time to the next look, if nothing happens before.
    next: Duration,
}

impl Look {
    fn nothing(next: Duration) -> Self {
        Self {
            claimed: Vec::new(),
            next,
        }
    }
}

/// Channels that rested, and have accepted nothing since; and the users whose requests alone failed there.
struct Suspects {
    channels: HashSet<ChannelId>,
    users: HashSet<UserId>,
}

/// A task, and the channel that it is to be sent to.
type Pick = (Waiting, ChannelId);

async fn look(context: &Context) -> Result<Look, StoreError> {
    if context.rest.trouble().is_some() {
        return Ok(Look::nothing(EVERY));
    }
    let channels = context.channels.all().await?;
    let now = context.now();
    let gates = gates(context, now).await?;
    let next = next_look(&gates, now);
    let room = |channel: &Channel| {
        let gate = gates.get(&channel.id)?;
        let slots = context.channels.submit_slots(channel.id);
        let room = Room {
            tasks: gate.room(now).min(slots),
            not_for: gate.not_for(now),
        };
        Some((channel.id, room))
    };
    let with_driver = channels
        .iter()
        .filter(|channel| context.upstreams.driver(channel).is_some());
    let rooms = Rooms::new(with_driver.filter_map(room));
    let suspects = gates.iter().filter(|(_, gate)| gate.is_suspect);
    let suspects = Suspects {
        channels: suspects.clone().map(|(channel, _)| *channel).collect(),
        users: suspects
            .filter_map(|(_, gate)| gate.rests_for.user())
            .collect(),
    };
    let picks = pick(context, &channels, &rooms, &suspects, now).await?;
    if picks.is_empty() {
        return Ok(Look::nothing(next));
    }
    // What operators changed counts at once: for what is sent from now on.
    let channels = context.channels.read().await?;
    let claimed = claim(context, &channels, picks).await?;
    let next = if claimed.is_empty() {
        // Another worker was faster.
        LOST
    } else {
        // There may be more.
        Duration::ZERO
    };
    Ok(Look { claimed, next })
}

/// What decides whether channels get more tasks. Raises the ceilings of channels that are full.
async fn gates(context: &Context, now: Millis) -> Result<HashMap<ChannelId, Gate>, StoreError> {
    let store = &context.store;
    let gates = store.gates(now).await?;
    let full: Vec<ChannelId> = gates
        .iter()
        .filter(|(_, gate)| gate.ceiling.may_grow(gate.max, gate.running))
        .map(|(channel, _)| *channel)
        .collect();
    if full.is_empty() {
        return Ok(gates);
    }
    for channel in full {
        store.raise_ceiling(channel, now).await?;
    }
    store.gates(now).await
}

/// Who is next, and where they go.
async fn pick(
    context: &Context,
    channels: &[Channel],
    rooms: &Rooms,
    suspects: &Suspects,
    now: Millis,
) -> Result<Vec<Pick>, StoreError> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    // Several tasks to choose the probe from.
    let candidates = rooms.at_least(PROBES, &suspects.channels);
    let most = candidates.tasks().min(AT_ONCE);
    let routes = routes(channels, rooms);
    let lines = context.store.next_lines(&routes, most, now).await?;
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let counts = share(&lines, channels, candidates);
    let mut tasks = first_tasks(context, &lines, &counts, now).await?;
    if rooms.have(&suspects.channels) {
        // A request that failed before is a bad probe, as is one of a user whose requests fail.
        tasks.sort_by_key(|next| {
            let failed = next.task.avoid.is_some();
            (suspects.users.contains(&next.user), failed)
        });
    }
    let chance = || context.random.unit();
    let mut picks = assign(tasks, channels, rooms.clone(), chance, now);
    picks.truncate(AT_ONCE as usize);
    Ok(picks)
}

/// The first tasks of each line: as many as `counts` says. Asks the database only if a line has more than one.
async fn first_tasks(
    context: &Context,
    lines: &[Line],
    counts: &[u32],
    now: Millis,
) -> Result<Vec<Next>, StoreError> {
    let wanted = lines.iter().zip(counts);
    let more: Vec<(i64, u32)> = wanted
        .clone()
        .filter(|(_, count)| **count > 1)
        .map(|(line, count)| (line.id, (*count).min(AT_ONCE)))
        .collect();
    let mut of_lines: HashMap<i64, Vec<Waiting>> = HashMap::new();
    if !more.is_empty() {
        for (line, task) in context.store.first_in_lines(&more, now).await? {
            of_lines.entry(line).or_default().push(task);
        }
    }
    let mut queues: Vec<(&Line, std::vec::IntoIter<Waiting>)> = wanted
        .filter(|(_, count)| **count > 0)
        .map(|(line, _)| {
            let tasks = of_lines.remove(&line.id);
            (line, tasks.unwrap_or_else(|| vec![line.first]).into_iter())
        })
        .collect();
    // One of each line after another, as they would have come one by one.
    let mut tasks = Vec::new();
    loop {
        let before = tasks.len();
        for (line, queue) in &mut queues {
            tasks.extend(queue.next().map(|task| Next {
                user: line.user,
                route: line.route,
                task,
            }));
        }
        if tasks.len() == before {
            return Ok(tasks);
        }
    }
}

/// Claims the picked tasks; those that another worker claimed, or that find no place any more, are left out.
async fn claim(
    context: &Context,
    channels: &[Channel],
    picks: Vec<Pick>,
) -> Result<Vec<(Arc<Channel>, Claimed, OwnedSemaphorePermit)>, StoreError> {
    let at: Vec<AtTurn> = picks.iter().map(|(task, _)| task.at).collect();
    let jobs = context.store.submit_jobs(&at).await?;
    let mut jobs: HashMap<RowId, SubmitJob> =
        jobs.into_iter().map(|job| (job.at.row, job)).collect();
    let now = context.now();
    let by_id: HashMap<ChannelId, Arc<Channel>> = channels
        .iter()
        .map(|channel| (channel.id, Arc::new(channel.clone())))
        .collect();
    let (mut ready, mut missing) = (HashMap::new(), Vec::new());
    let mut intentions = Vec::with_capacity(picks.len());
    for (task, channel) in picks {
        let Some(job) = jobs.remove(&task.at.row) else {
            missing.push(task.at);
            continue;
        };
        let Some(channel) = by_id.get(&channel) else {
            continue;
        };
        // What waited too long is ended by the sweep.
        if job.deadline <= now {
            continue;
        }
        let Some(permit) = context.channels.submit_permit(channel.id) else {
            continue;
        };
        intentions.push(Intention {
            at: job.at,
            channel: channel.id,
            sent_to: channel.address_digest(),
            claim: context.random.number(),
            deadline: now.after(context.settings.task_timeout),
        });
        ready.insert(job.at.row, (channel.clone(), job, permit));
    }
    if !missing.is_empty() {
        // Of those that are at another turn by now, this changes nothing.
        let until = now.after(UNREADABLE);
        context.store.postpone(&missing, until).await?;
    }
    let lease_until = now.after(context.batches.lease);
    let begun = context
        .ask_store("claim submits", || {
            context
                .store
                .begin_submits(&intentions, lease_until, context.now())
        })
        .await?;
    let claimed = begun.into_iter().filter_map(|begun| {
        let (channel, job, permit) = ready.remove(&begun.at.row)?;
        record_lateness(Work::Submit, now.since(job.due_at));
        let claimed = Claimed::new(context, begun, job);
        Some((channel, claimed, permit))
    });
    Ok(claimed.collect())
}

/// The time to the next look: soon, if a channel gets room by itself by then.
fn next_look(gates: &HashMap<ChannelId, Gate>, now: Millis) -> Duration {
    let moments = gates.values().flat_map(|gate| {
        let paced = Millis(gate.pace.next_at / 1000);
        [gate.cool_until, gate.ceiling.held_until, paced]
    });
    let soonest = moments.filter(|moment| *moment > now).min();
    soonest.map_or(EVERY, |moment| moment.since(now).min(EVERY))
}
