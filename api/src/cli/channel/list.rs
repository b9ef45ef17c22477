//! `channel list`.

use std::fmt::Write as _;

use shared::clock::Millis;
use shared::store::channels::Channel;
use shared::store::channels::listed::ListedChannel;

use super::super::output::printable;
use super::super::table::table;
use super::super::{CommandContext, CommandError, Output, state};

const TITLES: [&str; 12] = [
    "ID", "NAME", "PLATFORM", "STATE", "HEALTH", "RUNNING", "LIMIT", "WAITING", "PRIORITY",
    "WEIGHT", "USED", "BASE URL",
];

pub(super) async fn run(context: CommandContext<'_>) -> Result<Output, CommandError> {
    let channels = context.store.listed_channels(context.clock.now()).await?;
    if channels.is_empty() {
        let none =
            "There are no channels yet; `channel create --name NAME --base-url URL` makes one.";
        return Output::new(none, &channels);
    }
    let mut human = table(TITLES, channels.iter().map(row));
    for ListedChannel {
        channel,
        last_trouble,
        ..
    } in &channels
    {
        if let Some(trouble) = last_trouble {
            let (at, what) = (Millis(trouble.at).utc(), printable(&trouble.what));
            // Writing into a String does not fail.
            let _ = writeln!(human, "Last trouble of `{}`, {at}: {what}", channel.name);
        }
    }
    Output::new(human, &channels)
}

fn row(listed: &ListedChannel) -> [String; 12] {
    let channel = &listed.channel;
    let limit = listed.limit.map(|limit| limit.to_string());
    [
        channel.id.to_string(),
        channel.name.clone(),
        platform_of(channel),
        state_of(listed),
        listed.health.as_str().to_owned(),
        listed.running.to_string(),
        limit.unwrap_or_default(),
        listed.waiting.to_string(),
        channel.priority.to_string(),
        channel.weight.to_string(),
        channel.used_quota.to_string(),
        channel.base_url.clone(),
    ]
}

/// The platform, and the dialect if it is another than the platform's own.
fn platform_of(channel: &Channel) -> String {
    let dialect = channel.dialect.map(|dialect| format!(" ({dialect})"));
    format!("{}{}", channel.platform, dialect.unwrap_or_default())
}

/// Whether the channel gets new tasks.
fn state_of(listed: &ListedChannel) -> String {
    match listed.paused_until {
        Some(_) if listed.channel.enabled && listed.is_paused_until_resumed() => {
            "paused".to_owned()
        }
        Some(until) if listed.channel.enabled => format!("paused until {}", until.utc()),
        _ => state(listed.channel.enabled).to_owned(),
    }
}
