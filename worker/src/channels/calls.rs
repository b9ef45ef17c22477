//! The fetches that this worker may make at a channel. They are reserved in the database, so that all workers together
//! keep to the channel's bound (`--polls-per-second`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Millis;
use shared::store::StoreError;
use shared::task::ChannelId;

use crate::context::Context;

/// A call that is reserved for a moment is made at most this much later, or not at all: else calls could pile up.
const KEPT: Duration = Duration::from_millis(200);
/// The pause of who waits for a call that another one is reserving.
const PAUSE: Duration = Duration::from_millis(20);

/// The calls that are reserved at one channel.
#[derive(Default)]
pub(super) struct Reserved {
    reserved: VecDeque<Millis>,
    is_asking: bool,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Now,
    /// One is reserved for then.
    At(Millis),
    /// Another caller reserves some.
    Asked,
    /// The caller must reserve some.
    Ask,
}

impl Reserved {
    /// Takes a call, if one may be made now.
    fn take(&mut self, now: Millis) -> Turn {
        while self
            .reserved
            .front()
            .is_some_and(|at| now.since(*at) > KEPT)
        {
            self.reserved.pop_front();
        }
        match self.reserved.front() {
            Some(at) if *at <= now => {
                self.reserved.pop_front();
                Turn::Now
            }
            Some(at) => Turn::At(*at),
            None if self.is_asking => Turn::Asked,
            None => {
                self.is_asking = true;
                Turn::Ask
            }
        }
    }
}

impl Context {
    /// Whether a call may be made at the channel now. If not, it may soon: `wanted` calls are reserved.
    pub(crate) fn may_fetch(self: &Arc<Self>, channel: ChannelId, wanted: u32) -> bool {
        match self.take_call(channel) {
            Turn::Now => true,
            Turn::At(_) | Turn::Asked => false,
            Turn::Ask => {
                let context = Arc::clone(self);
                tokio::spawn(async move {
                    if let Err(error) = context.reserve_calls(channel, wanted).await {
                        tracing::warn!(%error, "no fetches could be reserved; they will be");
                    }
                });
                false
            }
        }
    }

    /// Waits until a call may be made at the channel; `wanted`: how many are to be made.
    pub(crate) async fn wait_to_fetch(
        &self,
        channel: ChannelId,
        wanted: u32,
    ) -> Result<(), StoreError> {
        loop {
            match self.take_call(channel) {
                Turn::Now => return Ok(()),
                Turn::At(at) => tokio::time::sleep(at.since(self.now()).max(PAUSE / 20)).await,
                Turn::Asked => tokio::time::sleep(PAUSE).await,
                Turn::Ask => self.reserve_calls(channel, wanted).await?,
            }
        }
    }

    fn take_call(&self, channel: ChannelId) -> Turn {
        if self.channels.plan(channel).bound.is_none() {
            return Turn::Now;
        }
        let now = self.now();
        self.channels.slots(channel, |slots| slots.calls.take(now))
    }

    async fn reserve_calls(&self, channel: ChannelId, wanted: u32) -> Result<(), StoreError> {
        // Whoever asks may be dropped while the database answers.
        let reserving = Reserving {
            context: self,
            channel,
        };
        let now = self.now();
        let bound = self.channels.plan(channel).bound.unwrap_or(u32::MAX);
        let reserved = self
            .ask_store("reserve fetches", || {
                self.store.reserve_calls(channel, bound, wanted, now)
            })
            .await;
        if let Ok(reserved) = &reserved {
            self.channels
                .slots(channel, |slots| slots.calls.reserved.extend(reserved));
        }
        drop(reserving);
        reserved.map(drop)
    }
}

/// Somebody reserves calls at a channel, and others wait for that. It ends when this is dropped.
struct Reserving<'a> {
    context: &'a Context,
    channel: ChannelId,
}

impl Drop for Reserving<'_> {
    fn drop(&mut self) {
        let channels = &self.context.channels;
        channels.slots(self.channel, |slots| slots.calls.is_asking = false);
        channels.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_reserved_call_is_made_when_it_is_time_and_lost_soon_after() {
        let at = |millis| NOW.after(Duration::from_millis(millis));
        let mut reserved = Reserved::default();
        assert_eq!(reserved.take(NOW), Turn::Ask);
        assert_eq!(reserved.take(NOW), Turn::Asked, "one asks for all");
        reserved.is_asking = false;
        reserved.reserved.extend([at(0), at(200), at(400)]);
        assert_eq!(reserved.take(NOW), Turn::Now);
        assert_eq!(reserved.take(at(100)), Turn::At(at(200)));
        assert_eq!(reserved.take(at(400)), Turn::Now);
        assert_eq!(reserved.take(at(601)), Turn::Ask, "the last is lost");
    }
}
