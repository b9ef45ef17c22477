//! Which channels there are, as of a second ago at most, and how much room this worker has at each.

pub mod choice;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::clock::{Millis, SharedClock};
use shared::store::channels::Channel;
use shared::store::{Store, StoreError};
use shared::task::ChannelId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How old the list of channels may be.
const FRESH: Duration = Duration::from_secs(1);
/// How many submits a worker has under way at one channel: sockets that mostly wait, for up to
/// minutes where an upstream answers a lyrics submit only once the lyrics are done.
const SUBMITS: usize = 64;
/// How many fetches, each of up to a hundred tasks.
const FETCHES: usize = 8;
/// How many batches of polls a worker writes at once, of all channels: below what `DATABASE_MAX_CONNECTIONS`
/// is as a rule, so that other work finds a connection.
const SETTLES: usize = 8;

/// Which channels there are.
pub struct ChannelCache {
    store: Store,
    clock: SharedClock,
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
    rooms: Mutex<HashMap<ChannelId, Rooms>>,
    submit_ended: Arc<Notify>,
    fetch_ended: Arc<Notify>,
    settles: Semaphore,
}

#[derive(Default)]
struct Known {
    at: Option<Millis>,
    channels: Arc<Vec<Channel>>,
}

struct Rooms {
    submits: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
    pace: Pace,
}

/// How fast a channel answers.
#[derive(Default)]
struct Pace {
    /// A fetch of late: an average in which the last ones count most.
    usual: Duration,
    /// When those under way began.
    under_way: HashMap<u64, Instant>,
    begun: u64,
}

impl Pace {
    /// How long `batches` that stand before a channel will wait there.
    fn wait_of(&self, batches: usize, now: Instant) -> Duration {
        let oldest = self.under_way.values().min();
        let so_far = oldest.map_or(Duration::ZERO, |began| now.duration_since(*began));
        let batches = u32::try_from(batches).unwrap_or(u32::MAX);
        self.usual.max(so_far) * batches / u32::try_from(FETCHES).unwrap_or(1)
    }
}

/// A fetch that is under way.
pub struct Fetching<'a> {
    book: &'a ChannelCache,
    channel: ChannelId,
    number: u64,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.book.rooms(self.channel, |rooms| {
            if let Some(began) = rooms.pace.under_way.remove(&self.number) {
                rooms.pace.usual = (rooms.pace.usual * 7 + began.elapsed()) / 8;
            }
        });
    }
}

/// Permit for one call at a channel; whoever waits for room is told when it is dropped.
pub struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Permit {
    fn take(places: Arc<Semaphore>, freed: &Arc<Notify>) -> Option<Self> {
        let permit = places.try_acquire_owned().ok()?;
        Some(Self {
            permit: Some(permit),
            freed: Arc::clone(freed),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // First the room, then the word of it.
        self.permit = None;
        self.freed.notify_one();
    }
}

impl ChannelCache {
    /// A book that knows nothing yet.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            rooms: Mutex::default(),
            submit_ended: Arc::default(),
            fetch_ended: Arc::default(),
            settles: Semaphore::new(SETTLES),
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

    /// Permit for a submit at the first of `order` that has some.
    pub fn take_submit_room(&self, order: &[ChannelId]) -> Option<(ChannelId, Permit)> {
        order.iter().find_map(|channel| {
            let places = self.rooms(*channel, |rooms| Arc::clone(&rooms.submits));
            Some((*channel, Permit::take(places, &self.submit_ended)?))
        })
    }

    /// Permit for a fetch at the channel, if there is any.
    pub fn take_fetch_room(&self, channel: ChannelId) -> Option<Permit> {
        let places = self.rooms(channel, |rooms| Arc::clone(&rooms.fetches));
        Permit::take(places, &self.fetch_ended)
    }

    /// Waits until a batch of polls may be written; what is returned is dropped when it is.
    pub async fn take_settle_room(&self) -> Option<SemaphorePermit<'_>> {
        self.settles.acquire().await.ok()
    }

    /// A fetch begins at the channel, and is under way until what is returned is dropped.
    pub fn fetching(&self, channel: ChannelId) -> Fetching<'_> {
        let number = self.rooms(channel, |rooms| {
            let pace = &mut rooms.pace;
            pace.begun += 1;
            pace.under_way.insert(pace.begun, Instant::now());
            pace.begun
        });
        Fetching {
            book: self,
            channel,
            number,
        }
    }

    /// How long so many batches will wait for the channel to answer those before them, by how long it
    /// takes of late. What this worker itself takes does not count: waiting elsewhere would not help.
    pub fn wait_of(&self, channel: ChannelId, batches: usize) -> Duration {
        self.rooms(channel, |rooms| rooms.pace.wait_of(batches, Instant::now()))
    }

    /// Waits until a submit somewhere ended, at most `longest`.
    pub async fn submit_ended(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.submit_ended.notified()).await;
    }

    /// Waits until a fetch somewhere ended.
    pub async fn fetch_ended(&self) {
        self.fetch_ended.notified().await;
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

    fn rooms<T>(&self, channel: ChannelId, take: impl FnOnce(&mut Rooms) -> T) -> T {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        take(rooms.entry(channel).or_insert_with(|| Rooms {
            submits: Arc::new(Semaphore::new(SUBMITS)),
            fetches: Arc::new(Semaphore::new(FETCHES)),
            pace: Pace::default(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_wait_as_long_as_those_before_them_take() {
        let now = Instant::now();
        let mut pace = Pace {
            usual: Duration::from_millis(80),
            ..Pace::default()
        };
        assert_eq!(pace.wait_of(100, now), Duration::from_secs(1));
        // One that hangs says more than those that came back.
        pace.under_way.insert(1, now);
        let later = now + Duration::from_secs(4);
        assert_eq!(pace.wait_of(100, later), Duration::from_secs(50));
    }
}
