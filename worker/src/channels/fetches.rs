//! The fetches that this worker has under way at each channel, and how fast the channel answers them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::task::ChannelId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::ChannelCache;

/// The most polls, each of up to a hundred tasks, that a worker has under way at one channel. A poll may make a few
/// calls at once.
pub(super) const FETCHES: u32 = 8;

/// How fast a channel answers fetches.
#[derive(Default)]
pub(super) struct FetchTimes {
    /// A moving average, in which each new fetch weighs an eighth.
    usual: Duration,
    /// When each fetch that is under way began.
    under_way: HashMap<u64, Instant>,
    begun: u64,
}

impl FetchTimes {
    /// How long a queue of `batches` will wait for the channel.
    pub(super) fn wait_of(&self, batches: usize, now: Instant) -> Duration {
        let oldest = self.under_way.values().min();
        let so_far = oldest.map_or(Duration::ZERO, |began| now.duration_since(*began));
        let batches = u32::try_from(batches).unwrap_or(u32::MAX);
        self.usual.max(so_far) * batches / FETCHES
    }
}

/// A fetch that is under way; it ends when this is dropped.
pub struct Fetching<'a> {
    cache: &'a ChannelCache,
    channel: ChannelId,
    number: u64,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.cache.slots(self.channel, |slots| {
            if let Some(began) = slots.times.under_way.remove(&self.number) {
                slots.times.usual = (slots.times.usual * 7 + began.elapsed()) / 8;
            }
        });
    }
}

/// A slot for a fetch at a channel. Dropped, it frees the slot and wakes a task that waits for one.
pub struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Permit {
    pub(super) fn acquire(slots: Arc<Semaphore>, freed: &Arc<Notify>) -> Option<Self> {
        let permit = slots.try_acquire_owned().ok()?;
        Some(Self {
            permit: Some(permit),
            freed: Arc::clone(freed),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The slot must be free before anybody is told.
        self.permit = None;
        self.freed.notify_one();
    }
}

impl ChannelCache {
    /// Begins to time a fetch at the channel.
    pub fn fetching(&self, channel: ChannelId) -> Fetching<'_> {
        let number = self.slots(channel, |slots| {
            let times = &mut slots.times;
            times.begun += 1;
            times.under_way.insert(times.begun, Instant::now());
            times.begun
        });
        Fetching {
            cache: self,
            channel,
            number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_wait_as_long_as_those_before_them_take() {
        let now = Instant::now();
        let mut times = FetchTimes {
            usual: Duration::from_millis(80),
            ..FetchTimes::default()
        };
        assert_eq!(times.wait_of(100, now), Duration::from_secs(1));
        // A fetch that hangs counts more than the average.
        times.under_way.insert(1, now);
        let later = now + Duration::from_secs(4);
        assert_eq!(times.wait_of(100, later), Duration::from_secs(50));
    }
}
