//! Which channels there are, as of a second ago at most, and how much room this worker has at each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::clock::{Millis, SharedClock};
use shared::store::channels::Channel;
use shared::store::{SharedStore, StoreError};
use shared::task::ChannelId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How old the list of channels may be.
const FRESH: Duration = Duration::from_secs(1);
/// How many submits a worker has under way at one channel: sockets that mostly wait, for up to
/// minutes where an upstream answers a lyrics submit only once the lyrics are done.
const SUBMITS: usize = 64;
/// How many fetches, each of up to a hundred tasks.
const FETCHES: usize = 8;

/// Which channels there are.
pub struct ChannelBook {
    store: SharedStore,
    clock: SharedClock,
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
    room: Mutex<HashMap<ChannelId, Room>>,
    freed: Arc<Notify>,
}

#[derive(Default)]
struct Known {
    at: Option<Millis>,
    channels: Arc<Vec<Channel>>,
}

struct Room {
    submits: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
}

/// Room for one submit at a channel; whoever waits for room is told when it is dropped.
pub struct SubmitRoom {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for SubmitRoom {
    fn drop(&mut self) {
        // First the room, then the word of it.
        self.permit = None;
        self.freed.notify_one();
    }
}

impl ChannelBook {
    /// A book that knows nothing yet.
    pub fn new(store: SharedStore, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            room: Mutex::default(),
            freed: Arc::default(),
        }
    }

    /// Every channel, as of a second ago at most, or as last known while the database is away.
    pub async fn all(&self) -> Result<Arc<Vec<Channel>>, StoreError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        // One asks; the others wait for what it learns.
        let _asking = self.asking.lock().await;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let now = self.clock.now();
        let read = self.store.channels().await;
        let mut known = self.known();
        match read {
            Ok(channels) => {
                *known = Known {
                    at: Some(now),
                    channels: Arc::new(channels),
                };
                Ok(known.channels.clone())
            }
            Err(error) if error.is_passing() && known.at.is_some() => Ok(known.channels.clone()),
            Err(error) => Err(error),
        }
    }

    fn fresh(&self) -> Option<Arc<Vec<Channel>>> {
        let known = self.known();
        let age = self.clock.now().since(known.at?);
        (age < FRESH).then(|| known.channels.clone())
    }

    /// A channel cools down until then: known here before the next reading.
    pub fn note_cooling(&self, channel: ChannelId, until: Millis) {
        self.change(channel, |channel| {
            channel.cool_until = channel.cool_until.max(until);
            channel.cool_count = channel.cool_count.max(1);
        });
    }

    /// A channel answered well again.
    pub fn note_warm(&self, channel: ChannelId) {
        self.change(channel, |channel| channel.cool_count = 0);
    }

    /// Room for a submit at the first of `order` that has some.
    pub fn take_submit_room(&self, order: &[ChannelId]) -> Option<(ChannelId, SubmitRoom)> {
        order.iter().find_map(|channel| {
            let permit = self
                .room(*channel, |room| room.submits.clone())
                .try_acquire_owned()
                .ok()?;
            Some((
                *channel,
                SubmitRoom {
                    permit: Some(permit),
                    freed: self.freed.clone(),
                },
            ))
        })
    }

    /// Room for a fetch at the channel, if there is any.
    pub fn take_fetch_room(&self, channel: ChannelId) -> Option<OwnedSemaphorePermit> {
        self.room(channel, |room| room.fetches.clone())
            .try_acquire_owned()
            .ok()
    }

    /// Waits until a submit somewhere ended, at most `longest`.
    pub async fn submit_ended(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.freed.notified()).await;
    }

    fn change(&self, id: ChannelId, change: impl FnOnce(&mut Channel)) {
        let mut known = self.known();
        if let Some(channel) = Arc::make_mut(&mut known.channels)
            .iter_mut()
            .find(|channel| channel.id == id)
        {
            change(channel);
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room<T>(&self, channel: ChannelId, take: impl FnOnce(&Room) -> T) -> T {
        let mut rooms = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        take(rooms.entry(channel).or_insert_with(|| Room {
            submits: Arc::new(Semaphore::new(SUBMITS)),
            fetches: Arc::new(Semaphore::new(FETCHES)),
        }))
    }
}
