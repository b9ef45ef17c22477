//! Who gets which channel.

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
fn assigned(channels: &[Channel], room: &[(i64, u32)], avoid: Option<i64>, tasks: i64) -> Vec<i64> {
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
