//! `channel pause` and `channel resume`.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shared::clock::Millis;
use shared::config::duration;
use shared::store::channels::by_hand::UNTIL_RESUMED;

use super::super::{CommandContext, CommandError, Output, name};
use super::no_channel;

/// The arguments of `channel pause`.
#[derive(Debug, Args)]
pub struct PauseChannel {
    /// The channel's name
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// For how long, such as `30m` or `2h`; without, until it is resumed
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
}

#[derive(Serialize)]
struct Paused<'a> {
    name: &'a str,
    paused_until: Option<i64>,
}

pub(super) async fn pause(
    context: CommandContext<'_>,
    pause: PauseChannel,
) -> Result<Output, CommandError> {
    let PauseChannel { name, time } = pause;
    let until = time.map_or(UNTIL_RESUMED, |time| context.clock.now().after(time));
    let until = until.min(UNTIL_RESUMED);
    if !context.store.pause_channel(&name, until).await? {
        return Err(no_channel(&name));
    }
    let end = if until == UNTIL_RESUMED {
        format!("until `channel resume --name {name}`")
    } else {
        format!("until {}", until.utc())
    };
    let human =
        format!("The channel `{name}` gets nothing new {end}; the tasks it has are still polled.");
    Output::new(
        human,
        &Paused {
            name: &name,
            paused_until: Some(until.0),
        },
    )
}

pub(super) async fn resume(
    context: CommandContext<'_>,
    name: &str,
) -> Result<Output, CommandError> {
    if !context.store.pause_channel(name, Millis(0)).await? {
        return Err(no_channel(name));
    }
    let human = format!("The channel `{name}` gets new tasks again, if it is enabled.");
    Output::new(
        human,
        &Paused {
            name,
            paused_until: None,
        },
    )
}

fn time(text: &str) -> Result<Duration, &'static str> {
    let time = duration::parse(text).filter(|time| !time.is_zero());
    time.ok_or("it takes a whole number and a unit, such as `90s`, `30m` or `2h`")
}
