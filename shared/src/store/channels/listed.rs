//! Channels as operators see them: with what is under way there, and how each of them is.

use std::collections::HashMap;

use serde::Serialize;

use super::Channel;
use super::by_hand::UNTIL_RESUMED;
use crate::clock::Millis;
use crate::store::{Result, Store};
use crate::task::ChannelId;
use crate::task::cool_down::RestsFor;

/// A channel as operators see it. The commands print these fields as JSON, in this order.
#[derive(Debug, Clone, Serialize)]
pub struct ListedChannel {
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
    /// How many tasks it may have at once: as set, or as learnt.
    pub limit: Option<u32>,
    /// How many tasks are being sent to it or are at its upstream.
    pub running: u64,
    /// How many tasks wait that only this channel can take.
    pub waiting: u64,
    /// Whether calls go there.
    pub health: Health,
    /// Until when nothing new is sent to it; `None`: it is not paused.
    #[serde(serialize_with = "millis")]
    pub paused_until: Option<Millis>,
    /// What was last wrong with it.
    pub last_trouble: Option<LastTrouble>,
}

/// What was last wrong with a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastTrouble {
    /// What it was, without secrets.
    pub what: String,
    /// When, in Unix milliseconds.
    pub at: i64,
}

/// Whether calls go to a channel, named as those of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// All calls go there.
    Closed,
    /// It cools down: no calls go there, or no calls of the only user whose requests fail.
    Open,
    /// Its cool-down is over, and it has not answered well since.
    HalfOpen,
}

impl Health {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl ListedChannel {
    /// Whether it is paused until somebody resumes it.
    pub fn is_paused_until_resumed(&self) -> bool {
        self.paused_until == Some(UNTIL_RESUMED)
    }
}

impl Store {
    /// Every channel that is not deleted, by number, as it is at `now`.
    pub async fn listed_channels(&self, now: Millis) -> Result<Vec<ListedChannel>> {
        let channels = self.channels().await?;
        let gates = self.gates(now).await?;
        let mut pinned: HashMap<ChannelId, u64> = HashMap::new();
        for waiting in self.waiting_tasks().await? {
            if let Some(only) = waiting.route.only {
                *pinned.entry(only).or_default() += waiting.tasks;
            }
        }
        let listed = channels.into_iter().map(|channel| {
            let gate = gates.get(&channel.id);
            ListedChannel {
                limit: gate.map(|gate| gate.ceiling.limit(gate.max)),
                running: gate.map_or(0, |gate| gate.running.into()),
                waiting: pinned.get(&channel.id).copied().unwrap_or(0),
                health: health(&channel, now),
                paused_until: Some(channel.paused_until).filter(|until| *until > now),
                last_trouble: last_trouble(&channel),
                channel,
            }
        });
        Ok(listed.collect())
    }
}

fn health(channel: &Channel, now: Millis) -> Health {
    let rests_for_all = channel.rests_for == RestsFor::Everybody;
    if channel.cool_until > now && (rests_for_all || channel.cool_count > 0) {
        Health::Open
    } else if channel.cool_count > 0 {
        Health::HalfOpen
    } else {
        Health::Closed
    }
}

fn last_trouble(channel: &Channel) -> Option<LastTrouble> {
    (!channel.trouble.is_empty()).then(|| LastTrouble {
        what: channel.trouble.clone(),
        at: channel.trouble_at.0,
    })
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "serde passes a reference"
)]
fn millis<S: serde::Serializer>(
    at: &Option<Millis>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    at.map(|at| at.0).serialize(serializer)
}
