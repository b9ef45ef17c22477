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
/// A task that did not arrive before does not go to a channel with trouble of late while another channel is well. If that
/// channel is full, the task waits: at channels in trouble it would use up its attempts.
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
mod tests {
    use std::time::Duration;

    use shared::random::Random;
    use shared::secret::Secret;
    use shared::store::channels::NewChannel;
    use shared::task::{Action, AtTurn, Platform, RowId, Turn};

    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn channel(id: i64, priority: i32, weight: u32) -> Channel {
        let new = NewChannel::new("c", Platform::SUNO, String::new(), Secret::new(""));
        Channel {
            priority,
            weight,
            ..new.with_id(ChannelId(id))
        }
    }

    fn route(only: Option<i64>) -> Route {
        Route {
            platform: Platform::SUNO,
            action: Action::SONG,
            only: only.map(ChannelId),
        }
    }

    fn task(row: i64, avoid: Option<i64>) -> Waiting {
        Waiting {
            at: AtTurn {
                row: RowId(row),
                turn: Turn(0),
            },
            avoid: avoid.map(ChannelId),
        }
    }

    fn line(user: i64, running: u32, waiting: u32, oldest: i64) -> Line {
        Line {
            id: user,
            user: UserId(user),
            key: KeyId(user),
            route: route(None),
            running,
            user_left: None,
            key_left: None,
            waiting,
            first: task(oldest, None),
        }
    }

    fn rooms(rooms: &[(i64, u32)]) -> Rooms {
        let room = |(id, tasks): &(i64, u32)| {
            let room = Room {
                tasks: *tasks,
                not_for: None,
            };
            (ChannelId(*id), room)
        };
        Rooms::new(rooms.iter().map(room))
    }

    fn next(route: Route, task: Waiting) -> Next {
        Next {
            user: UserId(1),
            route,
            task,
        }
    }

    /// Where tasks of `route` go that channel `avoid` failed, one after another.
    fn assigned(
        channels: &[Channel],
        room: &[(i64, u32)],
        avoid: Option<i64>,
        tasks: i64,
    ) -> Vec<i64> {
        let random = Random::seeded(3);
        let tasks = (0..tasks).map(|row| next(route(None), task(row, avoid)));
        let assigned = assign(
            tasks.collect(),
            channels,
            rooms(room),
            || random.unit(),
            NOW,
        );
        assigned.iter().map(|(_, channel)| channel.0).collect()
    }

    #[test]
    fn the_highest_priority_comes_first_until_it_is_full() {
        let channels = [channel(1, 0, 100), channel(2, 5, 1), channel(3, 1, 1)];
        let room = [(1, 9), (2, 2), (3, 1)];
        assert_eq!(assigned(&channels, &room, None, 5), [2, 2, 3, 1, 1]);
    }

    #[test]
    fn equals_in_priority_share_by_weight() {
        let channels = [channel(1, 0, 3), channel(2, 0, 1)];
        let all = assigned(&channels, &[(1, 9999), (2, 9999)], None, 4000);
        let firsts = all.iter().filter(|id| **id == 1).count();
        assert!(
            (2880..3120).contains(&firsts),
            "{firsts} of 4000, and 3000 is the share"
        );
    }

    #[test]
    fn the_channel_that_just_failed_the_task_comes_last() {
        let mut channels = [channel(1, 9, 1), channel(2, 9, 1), channel(3, 0, 1)];
        channels[1].cool_count = 1;
        channels[2].cool_count = 1;
        let room = [(1, 1), (2, 1), (3, 1)];
        assert_eq!(assigned(&channels, &room, Some(1), 3), [2, 3, 1]);
    }

    #[test]
    fn a_task_that_failed_waits_for_a_channel_that_is_well_rather_than_fail_again() {
        let mut channels = [channel(1, 9, 1), channel(2, 9, 1), channel(3, 0, 1)];
        channels[0].cool_count = 1;
        channels[1].cool_count = 1;
        let room = [(1, 1), (2, 1), (3, 1)];
        // The second task waits until channel 3 has room again.
        assert_eq!(assigned(&channels, &room, Some(1), 2), [3]);
        // One that did not fail before finds out whether the others are well.
        assert_eq!(assigned(&channels, &room[..2], None, 1).len(), 1);
        for is_away in [
            |channel: &mut Channel| channel.enabled = false,
            |channel: &mut Channel| channel.paused_until = NOW.after(Duration::from_secs(1)),
        ] {
            let mut channels = channels.clone();
            is_away(&mut channels[2]);
            assert_eq!(assigned(&channels, &room[..2], Some(1), 1), [2]);
        }
    }

    #[test]
    fn a_continuation_goes_to_its_channel_alone() {
        let channels = [channel(1, 9, 1), channel(2, 0, 1)];
        let tasks = vec![
            next(route(Some(2)), task(1, None)),
            next(route(Some(2)), task(2, None)),
        ];
        let assigned = assign(tasks, &channels, rooms(&[(1, 5), (2, 1)]), || 0.5, NOW);
        assert_eq!(assigned, [(task(1, None), ChannelId(2))]);
    }

    #[test]
    fn a_channel_that_rests_for_one_user_takes_the_tasks_of_others() {
        let channels = [channel(1, 0, 1)];
        let room = Room {
            tasks: 1,
            not_for: Some(UserId(1)),
        };
        let rooms = Rooms::new([(ChannelId(1), room)]);
        let lines = [line(1, 0, 9, 1), line(2, 3, 9, 2)];
        let counts = super::share(&lines, &channels, rooms.clone());
        assert_eq!(counts, [0, 1]);
        let of = |user, row| Next {
            user: UserId(user),
            ..next(route(None), task(row, None))
        };
        let assigned = assign(vec![of(1, 1), of(2, 2)], &channels, rooms, || 0.5, NOW);
        assert_eq!(assigned, [(task(2, None), ChannelId(1))]);
    }

    #[test]
    fn routes_are_those_of_channels_with_room() {
        let channels = [channel(1, 0, 1), channel(2, 0, 1)];
        let found = routes(&channels, &rooms(&[(2, 1)]));
        assert_eq!(
            found.len(),
            4,
            "two actions, at any channel or at channel 2: {found:?}"
        );
        assert!(found.contains(&route(None)) && found.contains(&route(Some(2))));
    }

    #[test]
    fn places_go_to_who_has_fewest_and_then_to_the_oldest() {
        let channels = [channel(1, 0, 1)];
        let lines = [line(1, 2, 9, 10), line(2, 0, 1, 30), line(3, 0, 9, 20)];
        let share = |room| super::share(&lines, &channels, rooms(&[(1, room)]));
        assert_eq!(share(1), [0, 0, 1]);
        assert_eq!(share(2), [0, 1, 1]);
        assert_eq!(share(4), [1, 1, 2], "user 1 has an older task than user 3");
        assert_eq!(share(7), [2, 1, 4]);
    }

    #[test]
    fn limits_of_users_and_keys_hold_and_leave_the_places_to_others() {
        let channels = [channel(1, 0, 1)];
        let mut lines = [line(1, 0, 9, 1), line(2, 0, 9, 2), line(3, 5, 9, 3)];
        lines[0].user_left = Some(2);
        lines[1].key_left = Some(1);
        assert_eq!(super::share(&lines, &channels, rooms(&[(1, 8)])), [2, 1, 5]);
    }

    #[test]
    fn two_lines_of_one_user_count_together() {
        let channels = [channel(1, 0, 1)];
        let mut lines = [line(1, 0, 9, 1), line(1, 0, 9, 2), line(2, 0, 9, 3)];
        lines[0].user_left = Some(3);
        lines[1].user_left = Some(3);
        let counts = super::share(&lines, &channels, rooms(&[(1, 4)]));
        assert_eq!((counts[0] + counts[1], counts[2]), (2, 2));
        let counts = super::share(&lines, &channels, rooms(&[(1, 20)]));
        assert_eq!((counts[0] + counts[1], counts[2]), (3, 9));
    }
}
