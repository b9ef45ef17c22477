//! Which channel takes a task: pure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use shared::clock::Millis;
use shared::store::channels::Channel;
use shared::store::lines::{Line, Route, Waiting};
use shared::task::{ChannelId, KeyId, UserId};

/// How many more tasks each channel gets now.
#[derive(Debug, Clone, Default)]
pub struct Rooms(HashMap<ChannelId, Room>);

/// How many more tasks a channel gets now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many.
    pub tasks: u32,
    /// The user whose tasks it does not get.
    pub not_for: Option<UserId>,
}

impl Rooms {
    /// The rooms of channels; those without room are left out.
    pub fn new(rooms: impl IntoIterator<Item = (ChannelId, Room)>) -> Self {
        Self(
            rooms
                .into_iter()
                .filter(|(_, room)| room.tasks > 0)
                .collect(),
        )
    }

    /// Whether no channel has room.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many tasks all channels get together.
    pub fn tasks(&self) -> u32 {
        self.0
            .values()
            .fold(0, |sum, room| sum.saturating_add(room.tasks))
    }

    /// Whether one of these channels has room.
    pub fn have(&self, channels: &HashSet<ChannelId>) -> bool {
        self.0.keys().any(|channel| channels.contains(channel))
    }

    /// As if each of these channels that has room had room for at least `tasks`.
    #[must_use]
    pub fn at_least(&self, tasks: u32, channels: &HashSet<ChannelId>) -> Self {
        let mut rooms = self.clone();
        for (channel, room) in &mut rooms.0 {
            if channels.contains(channel) {
                room.tasks = room.tasks.max(tasks);
            }
        }
        rooms
    }

    fn has(&self, channel: ChannelId) -> bool {
        self.0.contains_key(&channel)
    }

    fn has_for(&self, channel: ChannelId, user: UserId) -> bool {
        self.0
            .get(&channel)
            .is_some_and(|room| room.not_for != Some(user))
    }

    fn take(&mut self, channel: ChannelId) {
        if let Some(room) = self.0.get_mut(&channel) {
            room.tasks -= 1;
            if room.tasks == 0 {
                self.0.remove(&channel);
            }
        }
    }
}

/// The routes whose tasks a channel with room can take.
pub fn routes(channels: &[Channel], rooms: &Rooms) -> Vec<Route> {
    let with_room = channels.iter().filter(|channel| rooms.has(channel.id));
    let routes = with_room.flat_map(|channel| {
        channel.actions.as_slice().iter().flat_map(move |action| {
            [None, Some(channel.id)].map(|only| Route {
                platform: channel.platform,
                action: *action,
                only,
            })
        })
    });
    let mut routes: Vec<Route> = routes.collect();
    routes.sort_unstable();
    routes.dedup();
    routes
}

/// Whether a channel can take tasks of a route.
pub fn can_take(channel: &Channel, route: &Route) -> bool {
    channel.platform == route.platform
        && channel.actions.serves(route.action)
        && route.only.is_none_or(|only| only == channel.id)
}

/// How many tasks of each line are sent now, in the order of `lines`: one after another, always of the user with the
/// fewest running tasks, then the oldest, while users, keys and channels may have more.
pub fn share(lines: &[Line], channels: &[Channel], mut rooms: Rooms) -> Vec<u32> {
    let mut counts = vec![0; lines.len()];
    let mut of_users: HashMap<UserId, u32> = HashMap::new();
    let mut of_keys: HashMap<KeyId, u32> = HashMap::new();
    let mut next: BinaryHeap<_> = lines
        .iter()
        .enumerate()
        .map(|(n, line)| Reverse((line.running, line.first.at.row, n)))
        .collect();
    while let Some(Reverse((running, row, n))) = next.pop() {
        let line = &lines[n];
        let of_user = of_users.entry(line.user).or_default();
        let of_key = of_keys.entry(line.key).or_default();
        // Another line of the user got a task meanwhile.
        if line.running + *of_user > running {
            next.push(Reverse((line.running + *of_user, row, n)));
            continue;
        }
        let may_run = |left: Option<u32>, taken: u32| left.is_none_or(|left| taken < left);
        if counts[n] >= line.waiting
            || !may_run(line.user_left, *of_user)
            || !may_run(line.key_left, *of_key)
        {
            continue;
        }
        let with_room = channels.iter().filter(|channel| {
            can_take(channel, &line.route) && rooms.has_for(channel.id, line.user)
        });
        // The fewer routes a channel serves, the rather it takes what it can.
        let Some(channel) = with_room.min_by_key(|channel| channel.actions.as_slice().len()) else {
            continue;
        };
        rooms.take(channel.id);
        counts[n] += 1;
        *of_user += 1;
        *of_key += 1;
        next.push(Reverse((line.running + *of_user, row, n)));
    }
    counts
}

/// A task whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Whose it is.
    pub user: UserId,
    /// Where it may go.
    pub route: Route,
    /// The task.
    pub task: Waiting,
}

/// A channel for each task, in the order of the tasks. A task for which no room is left goes on waiting.
///
/// A task that did not arrive before goes to no channel with trouble of late while another channel is well. If the channel
/// that is well is full, the task waits: at channels in trouble the task would use up its attempts.
pub fn assign(
    tasks: Vec<Next>,
    channels: &[Channel],
    mut rooms: Rooms,
    mut chance: impl FnMut() -> f64,
    now: Millis,
) -> Vec<(Waiting, ChannelId)> {
    let mut assigned = Vec::with_capacity(tasks.len());
    for Next { user, route, task } in tasks {
        let able = || channels.iter().filter(|one| can_take(one, &route));
        let waits_for_well = task.avoid.is_some_and(|avoid| {
            able().any(|channel| channel.id != avoid && is_well(channel, now))
        });
        let with_room = able().filter(|channel| {
            rooms.has_for(channel.id, user) && !(waits_for_well && channel.cool_count > 0)
        });
        if let Some(channel) = best(with_room, task.avoid, &mut chance) {
            rooms.take(channel);
            assigned.push((task, channel));
        }
    }
    assigned
}

/// Whether the channel takes tasks and had no trouble of late. It may be full.
fn is_well(channel: &Channel, now: Millis) -> bool {
    channel.enabled && channel.paused_until <= now && channel.cool_count == 0
}

/// The best of the channels that can take a task: the highest priority first, and equals in an order drawn by weight.
/// For a task that did not arrive before, channels with trouble of late come after all others, and `avoid`, the channel
/// that failed the task, comes last. `chance` draws from 0 up to 1.
fn best<'a>(
    able: impl Iterator<Item = &'a Channel>,
    avoid: Option<ChannelId>,
    mut chance: impl FnMut() -> f64,
) -> Option<ChannelId> {
    let drawn = able.map(|channel| {
        // The smallest -ln(chance)/weight is a draw by weight.
        let draw = -chance().max(f64::MIN_POSITIVE).ln() / f64::from(channel.weight);
        let avoided = match avoid {
            None => (false, false),
            Some(avoid) => (avoid == channel.id, channel.cool_count > 0),
        };
        (avoided, Reverse(channel.priority), draw, channel.id)
    });
    let best = drawn.min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    best.map(|(.., id)| id)
}

#[cfg(test)]
mod tests;
