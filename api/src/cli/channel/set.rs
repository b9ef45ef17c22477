//! `channel set`.

use clap::{ArgGroup, Args};
use serde::Serialize;
use shared::config::BaseUrl;
use shared::store::channels::by_hand::{Changed, ChannelChange};

use super::super::secret::UpstreamKey;
use super::super::{CommandContext, CommandError, Output, name};
use super::values::{Limits, Spoken, weight};
use super::{name_taken, no_channel, warn_of_look_alikes};

/// The options that change something.
const CHANGES: [&str; 12] = [
    "rename",
    "base_url",
    "dialect",
    "key",
    "key_file",
    "priority",
    "weight",
    "max_tasks",
    "submits_per_minute",
    "polls_per_second",
    "actions",
    "idempotent",
];

/// The channel whose address and key the environment sets at each start.
const OF_ENVIRONMENT: &str = "default";

/// The arguments of `channel set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").args(CHANGES).required(true).multiple(true))]
pub struct SetChannel {
    /// The channel's name
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// Its new name, which no other channel has: 1 to 64 printable characters
    #[arg(long, value_name = "NAME", value_parser = name::parse)]
    rename: Option<String>,
    /// The upstream's URL, such as `https://upstream.example`
    #[arg(long)]
    base_url: Option<BaseUrl>,
    #[command(flatten)]
    spoken: Spoken,
    #[command(flatten)]
    key: UpstreamKey,
    /// Its priority; among the enabled channels those of the highest priority are used first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Its share of the tasks among the channels of the same priority, 1 to 1000
    #[arg(long, value_parser = weight())]
    weight: Option<u32>,
    #[command(flatten)]
    limits: Limits,
    /// Whether the upstream takes a submit that it got twice, with the same Idempotency-Key, for one: then a
    /// submit that may or may not have arrived is sent to it again, instead of failing
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    idempotent: Option<bool>,
}

#[derive(Serialize)]
struct Set<'a> {
    name: &'a str,
    changed: Vec<&'static str>,
}

pub(super) async fn run(
    context: CommandContext<'_>,
    set: SetChannel,
) -> Result<Output, CommandError> {
    let before = context.store.channels().await?;
    let channel = before.iter().find(|channel| channel.name == set.name);
    let channel = channel.ok_or_else(|| no_channel(&set.name))?;
    let change = ChannelChange {
        speaks: set.spoken.of(channel.platform)?,
        key: set.key.read()?,
        rename: set.rename.clone(),
        base_url: set.base_url.as_ref().map(ToString::to_string),
        priority: set.priority,
        weight: set.weight,
        idempotent: set.idempotent,
        max_tasks: set.limits.max_tasks,
        submits_per_minute: set.limits.submits_per_minute,
        polls_per_second: set.limits.polls_per_second,
        actions: set.limits.actions(channel.platform)?,
    };
    let changed = changed(&change);
    match context.store.change_channel(&set.name, change).await? {
        Changed::Done => {}
        Changed::NoChannel => return Err(no_channel(&set.name)),
        Changed::NameTaken => return Err(name_taken(set.rename.as_ref().unwrap_or(&set.name))),
    }
    if let Some(url) = &set.base_url
        && let Some(warning) = url.plain_text_warning("--base-url")
    {
        tracing::warn!("{warning}");
    }
    if let Some(renamed) = &set.rename {
        let others = before.iter().filter(|channel| channel.name != set.name);
        warn_of_look_alikes(renamed, others);
    }
    if set.name == OF_ENVIRONMENT
        && ["name", "base_url", "key"]
            .iter()
            .any(|of| changed.contains(of))
    {
        tracing::warn!(
            "a program that starts with SUNO_BASE_URL and SUNO_API_KEY sets the base URL and the key of the \
             channel `{OF_ENVIRONMENT}` by them, and makes it if there is none: change them, too"
        );
    }
    let name = set.rename.as_ref().unwrap_or(&set.name);
    let human = format!("Changed the channel `{name}`: {}.", changed.join(", "));
    Output::new(human, &Set { name, changed })
}

/// The fields that change, as `channel list` names them.
fn changed(change: &ChannelChange) -> Vec<&'static str> {
    let all = [
        ("name", change.rename.is_some()),
        ("base_url", change.base_url.is_some()),
        ("dialect", change.speaks.is_some()),
        ("key", change.key.is_some()),
        ("priority", change.priority.is_some()),
        ("weight", change.weight.is_some()),
        ("max_tasks", change.max_tasks.is_some()),
        ("submits_per_minute", change.submits_per_minute.is_some()),
        ("polls_per_second", change.polls_per_second.is_some()),
        ("actions", change.actions.is_some()),
        ("idempotent", change.idempotent.is_some()),
    ];
    let changed = all.into_iter().filter(|(_, is_set)| *is_set);
    changed.map(|(name, _)| name).collect()
}
