//! Which tasks may be sent now: the limits of users, keys and channels. Pure: the Store locks the numbers, asks
//! here, and writes.

use std::collections::HashMap;
use std::time::Duration;

use super::ceiling::{Ceiling, Room};
use super::cool_down::RestsFor;
use super::pace::Pace;
use super::{ChannelId, KeyId, UserId};
use crate::clock::Millis;

/// How many tasks of a user or a key run, and how many may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// How many run.
    pub running: u32,
    /// How many may; 0: no limit.
    pub max: u32,
}

impl Share {
    fn has_room(self) -> bool {
        self.max == 0 || self.running < self.max
    }
}

/// What decides whether a channel gets another task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Whether the channel is enabled, and neither paused nor deleted.
    pub is_open: bool,
    /// Until when it rests.
    pub cool_until: Millis,
    /// Whom it rests for.
    pub rests_for: RestsFor,
    /// Whether it rested of late, and nothing was accepted since: then one task is sent as a probe.
    pub is_suspect: bool,
    /// Until when a probe is under way.
    pub probing_until: Millis,
    /// How many tasks it has or gets now.
    pub running: u32,
    /// `max-tasks`; 0: not set.
    pub max: u32,
    /// What was learnt.
    pub ceiling: Ceiling,
    /// How many submits a minute it gets.
    pub pace: Pace,
}

/// What a submit finds out beside its own outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trial {
    /// Nothing.
    #[default]
    None,
    /// Whether the channel takes a task above its ceiling.
    AboveCeiling,
    /// Whether the channel is well again.
    Probe,
}

impl Gate {
    /// How many more tasks the channel gets now.
    pub fn room(&self, now: Millis) -> u32 {
        if !self.may_call(now) || self.rests(now) && self.rests_for == RestsFor::Everybody {
            return 0;
        }
        let room = self.ceiling.room(self.max, self.running, now).tasks();
        let room = self.pace.room(now).map_or(room, |paced| paced.min(room));
        if self.is_suspect { room.min(1) } else { room }
    }

    /// The user whose tasks the channel does not get now, although it has room for those of others.
    pub fn not_for(&self, now: Millis) -> Option<UserId> {
        self.rests_for.user().filter(|_| self.rests(now))
    }

    fn rests(&self, now: Millis) -> bool {
        self.cool_until > now
    }

    /// Whether a submit may be sent there now, if there is room for it and the channel does not rest.
    fn may_call(&self, now: Millis) -> bool {
        let is_well = !self.is_suspect || self.probing_until <= now;
        self.is_open && is_well && self.pace.room(now) != Some(0)
    }

    /// Whether the channel rests, for this user too.
    fn is_closed_to(&self, user: UserId, now: Millis) -> bool {
        self.rests(now) && self.rests_for.user().is_none_or(|only| only == user)
    }

    /// Takes a place for a task. `None`: there is none.
    fn take(&mut self, wanted: Wanted, now: Millis, lease: Duration) -> Option<Trial> {
        if !self.may_call(now) || self.is_closed_to(wanted.user, now) {
            return None;
        }
        let needs_place = wanted.needs_place;
        let until = now.after(lease);
        let mut trial = Trial::None;
        if needs_place {
            match self.ceiling.room(self.max, self.running, now) {
                Room::Places(0) => return None,
                Room::Places(_) => {}
                Room::Try => {
                    self.ceiling = self.ceiling.trying(until);
                    trial = Trial::AboveCeiling;
                }
            }
            self.running += 1;
        }
        if self.is_suspect {
            self.probing_until = until;
            trial = Trial::Probe;
        }
        self.pace = self.pace.after(1, now);
        Some(trial)
    }
}

/// A task that is to be sent to a channel.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Whose it is.
    pub user: UserId,
    /// By which key.
    pub key: KeyId,
    /// Where it is to be sent.
    pub channel: ChannelId,
    /// Whether it needs a place: a task that is sent to its channel again has one.
    pub needs_place: bool,
}

/// The numbers of all users, keys and channels of a batch.
#[derive(Debug, Default)]
pub struct Limits {
    /// By user.
    pub users: HashMap<UserId, Share>,
    /// By key.
    pub keys: HashMap<KeyId, Share>,
    /// By channel.
    pub channels: HashMap<ChannelId, Gate>,
}

impl Limits {
    /// Takes places for a task at its user, its key and its channel: all or none. `None`: the task goes on
    /// waiting. `lease`: how long a submit may take.
    pub fn take(&mut self, wanted: Wanted, now: Millis, lease: Duration) -> Option<Trial> {
        let user = self.users.entry(wanted.user).or_default();
        let key = self.keys.entry(wanted.key).or_default();
        if wanted.needs_place && !(user.has_room() && key.has_room()) {
            return None;
        }
        let gate = self.channels.get_mut(&wanted.channel)?;
        let trial = gate.take(wanted, now, lease)?;
        if wanted.needs_place {
            user.running += 1;
            key.running += 1;
        }
        Some(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);
    const LEASE: Duration = Duration::from_mins(2);

    fn gate(running: u32, max: u32) -> Gate {
        Gate {
            is_open: true,
            cool_until: Millis(0),
            rests_for: RestsFor::Everybody,
            is_suspect: false,
            probing_until: Millis(0),
            running,
            max,
            ceiling: Ceiling::default(),
            pace: Pace {
                per_minute: 0,
                next_at: 0,
            },
        }
    }

    fn limits(gate: Gate) -> Limits {
        Limits {
            channels: HashMap::from([(ChannelId(1), gate)]),
            ..Limits::default()
        }
    }

    fn wanted(user: i64, key: i64) -> Wanted {
        Wanted {
            user: UserId(user),
            key: KeyId(key),
            channel: ChannelId(1),
            needs_place: true,
        }
    }

    fn taken(limits: &mut Limits, user: i64, key: i64) -> bool {
        limits.take(wanted(user, key), NOW, LEASE).is_some()
    }

    #[test]
    fn a_batch_takes_no_more_than_each_of_the_limits() {
        let mut at = limits(gate(1, 5));
        let share = |running, max| Share { running, max };
        at.users.insert(UserId(1), share(1, 2));
        at.keys.insert(KeyId(7), share(0, 1));
        assert!(taken(&mut at, 1, 1));
        assert!(!taken(&mut at, 1, 1), "the user has two");
        assert!(taken(&mut at, 2, 7));
        assert!(!taken(&mut at, 2, 7), "the key has one");
        assert!(taken(&mut at, 2, 8) && taken(&mut at, 3, 9));
        assert!(!taken(&mut at, 4, 10), "the channel has five");
    }

    #[test]
    fn a_task_without_a_place_takes_none_from_the_others() {
        let mut at = limits(gate(4, 5));
        at.users.insert(UserId(1), Share { running: 0, max: 1 });
        at.channels.insert(ChannelId(2), gate(9, 9));
        let full = Wanted {
            channel: ChannelId(2),
            ..wanted(1, 1)
        };
        assert_eq!(at.take(full, NOW, LEASE), None);
        assert!(taken(&mut at, 1, 1));
    }

    #[test]
    fn a_channel_that_comes_back_gets_one_task_at_first() {
        let suspect = Gate {
            is_suspect: true,
            ..gate(0, 5)
        };
        assert_eq!(suspect.room(NOW), 1);
        let mut at = limits(suspect);
        assert_eq!(at.take(wanted(1, 1), NOW, LEASE), Some(Trial::Probe));
        assert!(!taken(&mut at, 2, 2));
        assert_eq!(at.channels[&ChannelId(1)].room(NOW), 0);
        let dead = at.channels[&ChannelId(1)].room(NOW.after(LEASE));
        assert_eq!(dead, 1, "whoever sent the probe may be dead");
    }

    #[test]
    fn a_channel_that_rests_or_is_paused_gets_nothing() {
        let resting = Gate {
            cool_until: NOW.after(LEASE),
            ..gate(0, 0)
        };
        let closed = Gate {
            is_open: false,
            ..gate(0, 0)
        };
        for gate in [resting, closed] {
            assert_eq!(gate.room(NOW), 0);
            assert!(!taken(&mut limits(gate), 1, 1));
        }
    }

    #[test]
    fn a_channel_that_rests_for_one_user_gets_a_task_of_another_as_a_probe() {
        let resting = Gate {
            cool_until: NOW.after(LEASE),
            rests_for: RestsFor::User(UserId(1)),
            is_suspect: true,
            ..gate(0, 5)
        };
        assert_eq!(
            (resting.room(NOW), resting.not_for(NOW)),
            (1, Some(UserId(1)))
        );
        let mut at = limits(resting);
        assert!(!taken(&mut at, 1, 1));
        assert_eq!(at.take(wanted(2, 2), NOW, LEASE), Some(Trial::Probe));
        assert!(!taken(&mut at, 3, 3), "one at a time");
        let rested = Gate {
            cool_until: NOW,
            ..resting
        };
        assert_eq!(rested.not_for(NOW), None);
        assert!(taken(&mut limits(rested), 1, 1));
    }

    #[test]
    fn a_task_that_has_its_place_counts_for_the_pace_alone() {
        let mut full = gate(5, 5);
        full.pace.per_minute = 1;
        let mut at = limits(full);
        let again = Wanted {
            needs_place: false,
            ..wanted(1, 1)
        };
        assert_eq!(at.take(again, NOW, LEASE), Some(Trial::None));
        assert_eq!(at.channels[&ChannelId(1)].running, 5);
        assert_eq!(at.take(again, NOW, LEASE), None, "one a minute");
    }
}
