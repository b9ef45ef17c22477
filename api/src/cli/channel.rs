//! `channel …`: the upstreams that tasks go to.

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::config::BaseUrl;
use shared::secret::Secret;
use shared::store::channels::{Channel, NewChannel};
use shared::task::{ChannelId, Platform, Quota};

use super::table::table;
use super::{Answer, Desk, Refusal, name};

/// What can be done with channels.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a channel; new tasks go to it from now on
    Create(Create),
    /// List all channels
    List,
    /// Let new tasks go to a channel again
    Enable(Named),
    /// Let no new tasks go to a channel; those it has are still asked for
    Disable(Named),
}

/// A channel to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// A new name: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// Where the upstream is, such as `https://upstream.example`
    #[arg(long)]
    base_url: BaseUrl,
    /// The upstream's API key; without, none is sent
    #[arg(long, default_value = "", hide_default_value = true, value_parser = upstream_key)]
    key: Secret,
    /// The platform it serves
    #[arg(long, default_value_t = Platform::SUNO, value_parser = super::platform())]
    platform: Platform,
    /// Channels of the highest priority are used first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// How large a share of the tasks it gets among channels of its priority
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    weight: u32,
}

fn upstream_key(text: &str) -> Result<Secret, &'static str> {
    Secret::upstream_key(text).ok_or("a key is printable ASCII characters without spaces")
}

/// Which channel.
#[derive(Debug, Args)]
pub struct Named {
    /// The channel's name
    #[arg(long, value_parser = name::parse)]
    name: String,
}

#[derive(Serialize)]
struct Made<'a> {
    id: ChannelId,
    name: &'a str,
}

#[derive(Serialize)]
struct Listed<'a> {
    id: ChannelId,
    name: &'a str,
    platform: &'a str,
    base_url: &'a str,
    enabled: bool,
    priority: i32,
    weight: u32,
    used_quota: Quota,
}

#[derive(Serialize)]
struct Enabled<'a> {
    name: &'a str,
    enabled: bool,
}

impl Command {
    pub(super) async fn answer(self, desk: Desk<'_>) -> Result<Answer, Refusal> {
        match self {
            Self::Create(channel) => create(desk, channel).await,
            Self::List => list(desk).await,
            Self::Enable(channel) => enable(desk, &channel.name, true).await,
            Self::Disable(channel) => enable(desk, &channel.name, false).await,
        }
    }
}

async fn create(desk: Desk<'_>, new: Create) -> Result<Answer, Refusal> {
    let before = desk.store.channels().await?;
    let name = new.name.clone();
    let channel = NewChannel {
        name: new.name,
        platform: new.platform,
        base_url: new.base_url.to_string(),
        key: new.key,
        priority: new.priority,
        weight: new.weight,
        builtin: false,
    };
    let made = desk.store.create_channel(channel, desk.clock.now()).await?;
    let id =
        made.ok_or_else(|| Refusal::new(format!("there is a channel named `{name}` already")))?;
    let mut human = format!("Made the channel `{name}` (id {id}) at {}.", new.base_url);
    if before
        .iter()
        .any(|channel| channel.builtin && channel.enabled)
    {
        human.push_str("\nThe built-in simulator gets no new tasks any more.");
    }
    Answer::new(human, &Made { id, name: &name })
}

async fn list(desk: Desk<'_>) -> Result<Answer, Refusal> {
    let channels = desk.store.channels().await?;
    let json: Vec<Listed<'_>> = channels.iter().map(listed).collect();
    if channels.is_empty() {
        let human =
            "There are no channels yet; `channel create --name NAME --base-url URL` makes one.";
        return Answer::new(human, &json);
    }
    let rows: Vec<[String; 8]> = channels.iter().map(row).collect();
    let titles = [
        "ID", "NAME", "PLATFORM", "STATE", "PRIORITY", "WEIGHT", "USED", "BASE URL",
    ];
    Answer::new(table(titles, &rows), &json)
}

fn listed(channel: &Channel) -> Listed<'_> {
    Listed {
        id: channel.id,
        name: &channel.name,
        platform: channel.platform.as_str(),
        base_url: &channel.base_url,
        enabled: channel.enabled,
        priority: channel.priority,
        weight: channel.weight,
        used_quota: channel.used_quota,
    }
}

fn row(channel: &Channel) -> [String; 8] {
    [
        channel.id.to_string(),
        channel.name.clone(),
        channel.platform.to_string(),
        super::state(channel.enabled).to_owned(),
        channel.priority.to_string(),
        channel.weight.to_string(),
        channel.used_quota.to_string(),
        channel.base_url.clone(),
    ]
}

async fn enable(desk: Desk<'_>, name: &str, enabled: bool) -> Result<Answer, Refusal> {
    if !desk.store.enable_channel(name, enabled).await? {
        return Err(Refusal::new(format!(
            "there is no channel named `{name}`; `channel list` shows all"
        )));
    }
    let human = format!("The channel `{name}` is {}.", super::state(enabled));
    Answer::new(human, &Enabled { name, enabled })
}
