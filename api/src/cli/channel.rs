//! `channel …`: the upstreams that tasks go to.

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::config::BaseUrl;
use shared::secret::Secret;
use shared::store::channels::{Channel, NewChannel};
use shared::task::{ChannelId, Platform};

use super::{CommandContext, CommandError, Output, name, state, switched};

/// The commands on channels.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Create a channel, enabled
    Create(CreateChannel),
    /// List all channels
    List,
    /// Enable a channel: it gets new tasks
    Enable(ChannelName),
    /// Disable a channel: it gets no new tasks; the tasks it has are still polled
    Disable(ChannelName),
    /// Change a channel, at once
    Set(SetChannel),
}

/// The arguments of `channel create`.
#[derive(Debug, Args)]
pub struct CreateChannel {
    /// Its name, which no other channel has: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// The upstream's URL, such as `https://upstream.example`
    #[arg(long)]
    base_url: BaseUrl,
    /// The upstream's API key; without, no key is sent
    #[arg(long, default_value = "", hide_default_value = true, value_parser = upstream_key)]
    key: Secret,
    /// The platform the upstream belongs to
    #[arg(long, default_value_t = Platform::SUNO, value_parser = super::platform())]
    platform: Platform,
    /// Its priority; among the enabled channels those of the highest priority are used first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Its share of the tasks among the channels of the same priority, 1 to 1000
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    weight: u32,
    /// The upstream takes a submit that it got twice, with the same Idempotency-Key, for one: a submit that
    /// may or may not have arrived is sent to it again, instead of failing
    #[arg(long)]
    idempotent: bool,
}

/// The arguments of `channel set`.
#[derive(Debug, Args)]
pub struct SetChannel {
    /// The channel's name
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// Whether the upstream takes a submit that it got twice, with the same Idempotency-Key, for one
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    idempotent: bool,
}

fn upstream_key(text: &str) -> Result<Secret, &'static str> {
    Secret::upstream_key(text).ok_or("a key is printable ASCII characters without spaces")
}

/// The channel a command is about.
#[derive(Debug, Args)]
pub struct ChannelName {
    /// The channel's name
    #[arg(long, value_parser = name::parse)]
    name: String,
}

#[derive(Serialize)]
struct CreatedChannel<'a> {
    id: ChannelId,
    name: &'a str,
}

impl ChannelCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        match self {
            Self::Create(channel) => create(context, channel).await,
            Self::List => list(context).await,
            Self::Enable(channel) => enable(context, &channel.name, true).await,
            Self::Disable(channel) => enable(context, &channel.name, false).await,
            Self::Set(channel) => set(context, &channel).await,
        }
    }
}

async fn create(context: CommandContext<'_>, new: CreateChannel) -> Result<Output, CommandError> {
    let before = context.store.channels().await?;
    let name = new.name.clone();
    if let Some(warning) = new.base_url.plain_text_warning("--base-url") {
        tracing::warn!("{warning}");
    }
    let url = new.base_url.to_string();
    let channel = NewChannel {
        priority: new.priority,
        weight: new.weight,
        idempotent: new.idempotent,
        ..NewChannel::new(&name, new.platform, url, new.key)
    };
    let made = context
        .store
        .create_channel(channel, context.clock.now())
        .await?;
    let id = made
        .ok_or_else(|| CommandError::new(format!("there is a channel named `{name}` already")))?;
    let names = before.iter().map(|channel| channel.name.as_str());
    name::warn_of_look_alikes("channel", &name, names);
    let mut human = format!("Made the channel `{name}` (id {id}) at {}.", new.base_url);
    let mut before = before.iter();
    if before.any(|channel| channel.builtin && channel.enabled) {
        human.push_str("\nThe built-in simulator gets no new tasks any more.");
    }
    Output::new(human, &CreatedChannel { id, name: &name })
}

async fn list(context: CommandContext<'_>) -> Result<Output, CommandError> {
    let channels = context.store.channels().await?;
    let none = "There are no channels yet; `channel create --name NAME --base-url URL` makes one.";
    let titles = [
        "ID", "NAME", "PLATFORM", "STATE", "PRIORITY", "WEIGHT", "USED", "BASE URL",
    ];
    Output::list(none, titles, &channels, row)
}

fn row(channel: &Channel) -> [String; 8] {
    [
        channel.id.to_string(),
        channel.name.clone(),
        channel.platform.to_string(),
        state(channel.enabled).to_owned(),
        channel.priority.to_string(),
        channel.weight.to_string(),
        channel.used_quota.to_string(),
        channel.base_url.clone(),
    ]
}

async fn enable(
    context: CommandContext<'_>,
    name: &str,
    enabled: bool,
) -> Result<Output, CommandError> {
    if !context.store.enable_channel(name, enabled).await? {
        return Err(no_channel(name));
    }
    switched("channel", name, enabled)
}

async fn set(context: CommandContext<'_>, set: &SetChannel) -> Result<Output, CommandError> {
    let SetChannel { name, idempotent } = set;
    if !context.store.set_idempotent(name, *idempotent).await? {
        return Err(no_channel(name));
    }
    let human = if *idempotent {
        "gets a submit again that may or may not have arrived"
    } else {
        "gets no submit again that may or may not have arrived"
    };
    let human = format!("The channel `{name}` {human}.");
    Output::new(
        human,
        &serde_json::json!({"name": name, "idempotent": idempotent}),
    )
}

fn no_channel(name: &str) -> CommandError {
    CommandError::new(format!(
        "there is no channel named `{name}`; `channel list` shows all"
    ))
}
