//! `channel create`.

use clap::Args;
use serde::Serialize;
use shared::config::BaseUrl;
use shared::secret::Secret;
use shared::store::channels::NewChannel;
use shared::store::channels::by_hand::{PollLimit, Speaks};
use shared::task::{ChannelId, Platform};

use super::super::secret::UpstreamKey;
use super::super::{CommandContext, CommandError, Output, name, platform};
use super::values::{Limits, Spoken, weight};
use super::{name_taken, warn_of_look_alikes};

/// The arguments of `channel create`.
#[derive(Debug, Args)]
pub struct CreateChannel {
    /// Its name, which no other channel has: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// The upstream's URL, such as `https://upstream.example`
    #[arg(long)]
    base_url: BaseUrl,
    #[command(flatten)]
    key: UpstreamKey,
    /// The platform the upstream belongs to
    #[arg(long, default_value_t = Platform::SUNO, value_parser = platform())]
    platform: Platform,
    #[command(flatten)]
    spoken: Spoken,
    /// Its priority; among the enabled channels those of the highest priority are used first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Its share of the tasks among the channels of the same priority, 1 to 1000
    #[arg(long, default_value_t = 1, value_parser = weight())]
    weight: u32,
    #[command(flatten)]
    limits: Limits,
    /// The upstream takes a submit that it got twice, with the same Idempotency-Key, for one: a submit that
    /// may or may not have arrived is sent to it again, instead of failing
    #[arg(long)]
    idempotent: bool,
}

#[derive(Serialize)]
struct Created<'a> {
    id: ChannelId,
    name: &'a str,
}

pub(super) async fn run(
    context: CommandContext<'_>,
    new: CreateChannel,
) -> Result<Output, CommandError> {
    let key = new.key.read()?.unwrap_or_else(|| Secret::new(""));
    let actions = new.limits.actions(new.platform)?;
    let before = context.store.channels().await?;
    let name = new.name;
    if let Some(warning) = new.base_url.plain_text_warning("--base-url") {
        tracing::warn!("{warning}");
    }
    let channel = NewChannel {
        priority: new.priority,
        weight: new.weight,
        idempotent: new.idempotent,
        max_tasks: new.limits.max_tasks.unwrap_or(0),
        submits_per_minute: new.limits.submits_per_minute.unwrap_or(0),
        polls_per_second: match new.limits.polls_per_second {
            Some(PollLimit::PerSecond(limit)) => Some(limit),
            Some(PollLimit::Default) | None => None,
        },
        actions: actions.unwrap_or_else(|| new.platform.served()),
        dialect: new.spoken.of(new.platform)?.and_then(Speaks::dialect),
        ..NewChannel::new(&name, new.platform, new.base_url.to_string(), key)
    };
    let made = context.store.create_channel(channel, context.clock.now());
    let id = made.await?.ok_or_else(|| name_taken(&name))?;
    warn_of_look_alikes(&name, before.iter());
    let mut human = format!("Made the channel `{name}` (id {id}) at {}.", new.base_url);
    let mut before = before.iter();
    if before.any(|channel| channel.builtin && channel.enabled) {
        human.push_str("\nThe built-in simulator gets no new tasks any more.");
    }
    Output::new(human, &Created { id, name: &name })
}
