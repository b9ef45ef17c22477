//! The channels, at most a second old, how many calls this worker may have under way at each, and what it learnt of them.
//!
//! | file | what it holds |
//! |---|---|
//! | [`choice`] | which channel takes a task |
//! | [`failed`] | whether a fetch that failed speaks of its task or of the channel |
//! | [`fetches`] | the fetches that this worker has under way, and how fast they are |
//! | `calls` | the fetches that may be made now, over all workers together |
//! | [`plans`] | when the tasks at each channel are looked at |

mod calls;
pub mod choice;
pub mod failed;
pub mod fetches;
pub mod plans;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::clock::{Millis, SharedClock};
use shared::store::channels::{Calls, Channel};
use shared::store::looks::Learnt;
use shared::store::{Store, StoreError};
use shared::task::recent::Recent;
use shared::task::{Action, ChannelId, UserId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::figures::start_channel_at_zero;
use calls::Reserved;
use failed::{FailedFetches, Meaning};
use fetches::{FETCHES, FetchTimes, Permit};
use plans::ChannelPlan;

/// How old the cached list of channels may be.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(1);
/// The most submits that a worker has under way at one channel. Their sockets mostly wait: an upstream
/// may answer a lyrics submit only after minutes, when the lyrics are done.
const SUBMITS: usize = 64;
/// The most batches of polls that a worker writes at once: fewer than `DATABASE_MAX_CONNECTIONS` usually
/// allows, so that other work finds a connection.
const SETTLES: usize = 8;

/// The channels, and the slots that this worker has at each.
pub struct ChannelCache {
    store: Store,
    clock: SharedClock,
    cached: Mutex<Cached>,
    reading: tokio::sync::Mutex<()>,
    slots: Mutex<HashMap<ChannelId, Slots>>,
    fetch_ended: Arc<Notify>,
    settles: Semaphore,
    plans: Mutex<HashMap<ChannelId, Arc<ChannelPlan>>>,
    /// How long tasks took that this worker saw end, as far as it is not written yet.
    seen: Mutex<Learnt>,
}

#[derive(Default)]
struct Cached {
    read_at: Option<Millis>,
    channels: Arc<Vec<Channel>>,
    /// The names of all channels that were ever read, whose counters exist.
    counted: HashSet<String>,
}

/// The slots of one channel.
struct Slots {
    submits: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
    times: FetchTimes,
    /// Submits that were answered well, and not told to the database yet.
    good: Recent,
    calls: Reserved,
    failed: FailedFetches,
    /// How late polls were, in all, and how many there were.
    late: (Duration, u32),
}

impl ChannelCache {
    /// An empty cache.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            cached: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            slots: Mutex::default(),
            fetch_ended: Arc::default(),
            settles: Semaphore::new(SETTLES),
            plans: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// All channels, at most a second old, or older while the database is away.
    pub async fn all(&self) -> Result<Arc<Vec<Channel>>, StoreError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        // One caller reads; the others wait for what it reads.
        let _reading = self.reading.lock().await;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        self.read().await
    }

    /// All channels as they are now, or as they were while the database is away.
    pub async fn read(&self) -> Result<Arc<Vec<Channel>>, StoreError> {
        let now = self.clock.now();
        let read = self.store.channels().await;
        let mut cached = self.cached();
        match read {
            Ok(channels) => {
                for channel in &channels {
                    if cached.counted.insert(channel.name.clone()) {
                        start_channel_at_zero(&channel.name);
                    }
                }
                cached.read_at = Some(now);
                cached.channels = Arc::new(channels);
                Ok(cached.channels.clone())
            }
            Err(error) if error.is_passing() && cached.read_at.is_some() => {
                Ok(cached.channels.clone())
            }
            Err(error) => Err(error),
        }
    }

    /// The name of a channel, by the last read.
    pub fn name(&self, id: ChannelId) -> Option<String> {
        let channels = self.cached().channels.clone();
        let channel = channels.iter().find(|channel| channel.id == id)?;
        Some(channel.name.clone())
    }

    fn fresh(&self) -> Option<Arc<Vec<Channel>>> {
        let cached = self.cached();
        let age = self.clock.now().since(cached.read_at?);
        (age < MAX_AGE).then(|| cached.channels.clone())
    }

    /// Notes that a channel cools down until `until`, before the next read says so.
    pub fn note_cooling(&self, channel: ChannelId, calls: Calls, until: Millis) {
        self.change(channel, |channel| {
            if calls != Calls::Fetches {
                channel.cool_until = channel.cool_until.max(until);
                channel.cool_count = channel.cool_count.max(1);
            }
            if calls != Calls::Submits {
                channel.poll_cool_until = channel.poll_cool_until.max(until);
                channel.poll_cool_count = channel.poll_cool_count.max(1);
            }
        });
    }

    /// Notes that a channel answered well again.
    pub fn note_warm(&self, channel: ChannelId, calls: Calls) {
        self.change(channel, |channel| {
            if calls != Calls::Fetches {
                channel.cool_count = 0;
            }
            if calls != Calls::Submits {
                channel.poll_cool_count = 0;
            }
        });
    }

    /// Notes that a channel accepted a submit.
    pub fn note_proven(&self, channel: ChannelId) {
        self.change(channel, |channel| channel.proven = true);
    }

    /// Notes that a channel answered a fetch.
    pub fn note_answered(&self, channel: ChannelId) {
        self.slots(channel, |slots| slots.failed.answered());
    }

    /// Notes that a fetch about this task alone failed; returns what that means.
    pub fn note_failed(&self, channel: ChannelId, upstream_id: &str) -> Meaning {
        let now = self.clock.now();
        self.slots(channel, |slots| slots.failed.failed(upstream_id, now))
    }

    /// Counts a user's submit that the channel answered well, for the next failure.
    pub fn note_good(&self, channel: ChannelId, user: UserId, now: Millis) {
        self.slots(channel, |slots| {
            slots.good = std::mem::take(&mut slots.good).and_good(user, now);
        });
    }

    /// The submits of late that the channel answered well, as far as they were not taken yet.
    pub fn take_good(&self, channel: ChannelId) -> Recent {
        self.slots(channel, |slots| std::mem::take(&mut slots.good))
    }

    /// How many more submits this worker may have under way at the channel.
    pub fn submit_slots(&self, channel: ChannelId) -> u32 {
        let slots = self.slots(channel, |slots| slots.submits.available_permits());
        u32::try_from(slots).unwrap_or(u32::MAX)
    }

    /// A slot for a submit at the channel, if one is free.
    pub fn submit_permit(&self, channel: ChannelId) -> Option<OwnedSemaphorePermit> {
        let slots = self.slots(channel, |slots| Arc::clone(&slots.submits));
        slots.try_acquire_owned().ok()
    }

    /// A slot for a fetch at the channel, if one is free.
    pub fn fetch_permit(&self, channel: ChannelId) -> Option<Permit> {
        let slots = self.slots(channel, |slots| Arc::clone(&slots.fetches));
        Permit::acquire(slots, &self.fetch_ended)
    }

    /// Whether a slot for a fetch at the channel is free.
    pub fn has_fetch_slot(&self, channel: ChannelId) -> bool {
        self.slots(channel, |slots| slots.fetches.available_permits() > 0)
    }

    /// How the tasks at the channel are looked at.
    pub fn plan(&self, channel: ChannelId) -> Arc<ChannelPlan> {
        let plan = lock(&self.plans).get(&channel).cloned();
        plan.unwrap_or_else(|| Arc::new(ChannelPlan::unknown()))
    }

    fn set_plan(&self, channel: ChannelId, plan: ChannelPlan) {
        lock(&self.plans).insert(channel, Arc::new(plan));
    }

    /// Notes how late polls at the channel are.
    pub fn note_lateness(&self, channel: ChannelId, late: Duration, polls: u32) {
        self.slots(channel, |slots| {
            slots.late = (slots.late.0 + late, slots.late.1 + polls);
        });
    }

    /// How late polls were on average since this was called last, by channel.
    fn take_lateness(&self) -> Vec<(ChannelId, Duration)> {
        let mut slots = lock(&self.slots);
        let late = slots.iter_mut().filter_map(|(channel, slots)| {
            let (late, polls) = std::mem::take(&mut slots.late);
            Some((*channel, late.checked_div(polls)?))
        });
        late.collect()
    }

    /// Notes how long a task took.
    pub fn note_end(&self, of: (ChannelId, Action), took: Duration, succeeded: bool, now: Millis) {
        let mut seen = lock(&self.seen);
        seen.entry(of).or_default().count(took, succeeded, now);
    }

    /// How long tasks took that this worker saw end since this was called last.
    fn take_seen(&self) -> Learnt {
        std::mem::take(&mut *lock(&self.seen))
    }

    /// Waits for a slot to write a batch of polls.
    pub async fn settle_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.settles.acquire().await.ok()
    }

    /// How long a queue of `batches` will wait for the channel, by how fast it answers of late. The
    /// time that this worker itself takes does not count: to wait elsewhere would not help.
    pub fn wait_of(&self, channel: ChannelId, batches: usize) -> Duration {
        self.slots(channel, |slots| {
            slots.times.wait_of(batches, Instant::now())
        })
    }

    /// Wakes who waits for a fetch to end: one may be made.
    fn wake(&self) {
        self.fetch_ended.notify_one();
    }

    /// Waits until a fetch ends, or one may be made, at any channel.
    pub async fn fetch_ended(&self) {
        self.fetch_ended.notified().await;
    }

    fn change(&self, id: ChannelId, change: impl FnOnce(&mut Channel)) {
        let mut cached = self.cached();
        if let Some(channel) = Arc::make_mut(&mut cached.channels)
            .iter_mut()
            .find(|channel| channel.id == id)
        {
            change(channel);
        }
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        lock(&self.cached)
    }

    fn slots<T>(&self, channel: ChannelId, take: impl FnOnce(&mut Slots) -> T) -> T {
        let mut slots = lock(&self.slots);
        take(slots.entry(channel).or_insert_with(|| Slots {
            submits: Arc::new(Semaphore::new(SUBMITS)),
            fetches: Arc::new(Semaphore::new(FETCHES as usize)),
            times: FetchTimes::default(),
            good: Recent::default(),
            calls: Reserved::default(),
            failed: FailedFetches::default(),
            late: (Duration::ZERO, 0),
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
