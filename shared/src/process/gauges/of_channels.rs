//! The gauges of channels, and of what waits for them.

use metrics::gauge;

use super::{Reading, number};
use crate::clock::Millis;
use crate::store::channels::listed::{Health, ListedChannel};
use crate::store::lines::WaitingTasks;

/// What is shown of a channel.
pub(super) fn of_channel(listed: &ListedChannel, now: Millis) -> Reading {
    let name = || listed.channel.name.clone();
    let rest = |calls: &'static str, until: Millis| {
        let gauge =
            gauge!("task_center_channel_rest_seconds", "channel" => name(), "calls" => calls);
        (gauge, until.since(now).as_secs_f64())
    };
    let running = gauge!("task_center_channel_tasks", "channel" => name());
    let limit = gauge!("task_center_channel_limit", "channel" => name());
    let mut reading = vec![
        rest("submit", listed.channel.cool_until),
        rest("fetch", listed.channel.poll_cool_until),
        (running, number(listed.running)),
        (limit, listed.limit.map_or(f64::INFINITY, f64::from)),
    ];
    for health in Health::ALL {
        let gauge =
            gauge!("task_center_channel_health", "channel" => name(), "state" => health.as_str());
        reading.push((gauge, f64::from(u8::from(listed.health == health))));
    }
    reading
}

/// How many tasks wait, by why.
pub(super) fn waiting(channels: &[ListedChannel], waiting: &[WaitingTasks]) -> Reading {
    let reasons = [LIMIT, PLACE, REST, NO_CHANNEL];
    let tasks = reasons.map(|reason| {
        let those = waiting
            .iter()
            .filter(|tasks| why(tasks, channels) == reason);
        let gauge = gauge!("task_center_waiting_tasks", "reason" => reason);
        (gauge, number(those.map(|tasks| tasks.tasks).sum()))
    });
    tasks.into()
}

/// The user or the key has as many running tasks as it may have.
const LIMIT: &str = "limit";
/// A channel will have room: it is full now, or a worker is about to look.
const PLACE: &str = "place";
/// All channels that could take it rest or are paused.
const REST: &str = "rest";
/// No channel serves it.
const NO_CHANNEL: &str = "no_channel";

fn why(waiting: &WaitingTasks, channels: &[ListedChannel]) -> &'static str {
    let route = waiting.route;
    let mut able = channels.iter().filter(|listed| {
        let channel = &listed.channel;
        channel.enabled
            && channel.platform == route.platform
            && channel.actions.serves(route.action)
            && route.only.is_none_or(|only| only == channel.id)
    });
    if waiting.is_full {
        LIMIT
    } else if able
        .clone()
        .any(|listed| listed.health != Health::Open && listed.paused_until.is_none())
    {
        PLACE
    } else if able.next().is_some() {
        REST
    } else {
        NO_CHANNEL
    }
}
