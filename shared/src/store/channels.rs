//! Channels, their cool-downs, and prices.

use super::{Database, Result, Store};
use crate::clock::Millis;
use crate::secret::Secret;
use crate::task::cool_down::CoolDown;
use crate::task::{Action, ChannelId, Platform, Quota};

/// An upstream that we may send tasks to.
#[derive(Debug, Clone)]
pub struct Channel {
    /// The number.
    pub id: ChannelId,
    /// The unique name.
    pub name: String,
    /// The platform it serves.
    pub platform: Platform,
    /// Where it is, without a trailing slash.
    pub base_url: String,
    /// What proves us to it; empty for none.
    pub key: Secret,
    /// Whether new tasks may go to it. Tasks it already has are polled all the same.
    pub enabled: bool,
    /// Channels of the highest priority are used first.
    pub priority: i32,
    /// Among equals in priority: how large a share it gets.
    pub weight: u32,
    /// The price of the tasks it accepted and did not fail.
    pub used_quota: Quota,
    /// Until when nobody asks it anything.
    pub cool_until: Millis,
    /// How many cool-downs in a row.
    pub cool_count: u32,
    /// Whether it is the simulator that `task-center` starts while there is no other channel.
    pub builtin: bool,
}

/// A channel to be made.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// The name.
    pub name: String,
    /// The platform it serves.
    pub platform: Platform,
    /// Where it is.
    pub base_url: String,
    /// What proves us to it; empty for none.
    pub key: Secret,
    /// See [`Channel::priority`].
    pub priority: i32,
    /// See [`Channel::weight`].
    pub weight: u32,
    /// See [`Channel::builtin`].
    pub builtin: bool,
}

/// What an action costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The platform.
    pub platform: Platform,
    /// The action.
    pub action: Action,
    /// The price of one task.
    pub quota: Quota,
}

impl Store {
    /// Makes a channel. `None`: the name is taken, and nothing was made. Making one that is not
    /// built in disables the built-in one in the same transaction: paid tasks must not go to a
    /// simulator.
    pub async fn create_channel(
        &self,
        channel: NewChannel,
        now: Millis,
    ) -> Result<Option<ChannelId>> {
        match &self.database {
            Database::Postgres(store) => store.create_channel(channel, now).await,
            Database::Sqlite(store) => store.create_channel(channel, now).await,
        }
    }

    /// Makes the channel, or gives the one of that name this address and key: for the channels that
    /// come from the environment. An address or key that is new enables it and ends its rest.
    /// Else as [`Store::create_channel`].
    pub async fn put_channel(&self, channel: NewChannel, now: Millis) -> Result<ChannelId> {
        match &self.database {
            Database::Postgres(store) => store.put_channel(channel, now).await,
            Database::Sqlite(store) => store.put_channel(channel, now).await,
        }
    }

    /// Every channel, by number.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        match &self.database {
            Database::Postgres(store) => store.channels().await,
            Database::Sqlite(store) => store.channels().await,
        }
    }

    /// Enables or disables a channel. `false`: there is none of that name.
    pub async fn enable_channel(&self, name: &str, enabled: bool) -> Result<bool> {
        match &self.database {
            Database::Postgres(store) => store.enable_channel(name, enabled).await,
            Database::Sqlite(store) => store.enable_channel(name, enabled).await,
        }
    }

    /// Cools a channel down, for every worker at once: until `now` + what the upstream asked for,
    /// or else exponentially. Many calls that fail together are one step of the exponent: while it
    /// is cooling down already, only a later end changes anything. Returns the end.
    pub async fn cool_down(
        &self,
        channel: ChannelId,
        kind: CoolDown,
        asked: Option<std::time::Duration>,
        now: Millis,
    ) -> Result<Millis> {
        match &self.database {
            Database::Postgres(store) => store.cool_down(channel, kind, asked, now).await,
            Database::Sqlite(store) => store.cool_down(channel, kind, asked, now).await,
        }
    }

    /// A channel answered well: its next cool-down is the first of a row again.
    pub async fn warm_up(&self, channel: ChannelId) -> Result<()> {
        match &self.database {
            Database::Postgres(store) => store.warm_up(channel).await,
            Database::Sqlite(store) => store.warm_up(channel).await,
        }
    }

    /// Every price.
    pub async fn prices(&self) -> Result<Vec<Price>> {
        match &self.database {
            Database::Postgres(store) => store.prices().await,
            Database::Sqlite(store) => store.prices().await,
        }
    }

    /// Sets what tasks cost from now on.
    pub async fn set_price(&self, price: Price) -> Result<()> {
        match &self.database {
            Database::Postgres(store) => store.set_price(price).await,
            Database::Sqlite(store) => store.set_price(price).await,
        }
    }
}
