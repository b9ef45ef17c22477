//! `channel …`: the upstreams that tasks go to.
//!
//! | file | its command |
//! |---|---|
//! | [`create`] | `channel create` |
//! | `list` | `channel list` |
//! | [`set`] | `channel set` |
//! | [`pause`] | `channel pause`, `channel resume` |
//! | `delete` | `channel delete` |
//! | `test` | `channel test` |
//! | `values` | the values that these commands take |

pub mod create;
mod delete;
mod list;
pub mod pause;
pub mod set;
mod test;
mod values;

pub(super) use values::{action_of, known_action};

use clap::{Args, Subcommand};
use shared::store::channels::Channel;

use super::{CommandContext, CommandError, Output, name, switched};

/// The commands on channels.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Create a channel, enabled
    Create(create::CreateChannel),
    /// List all channels
    List,
    /// Enable a channel: it gets new tasks
    Enable(ChannelName),
    /// Disable a channel: it gets no new tasks; the tasks it has are still polled
    Disable(ChannelName),
    /// Pause a channel: nothing new is sent there for a while; the tasks it has are still polled, and those that
    /// only it can take wait
    Pause(pause::PauseChannel),
    /// Resume a paused channel
    Resume(ChannelName),
    /// Change a channel, at once, also for the tasks that it has
    Set(Box<set::SetChannel>),
    /// Test the address and the key of a channel with one call that makes nothing; exit code 1 if they don't work
    Test(ChannelName),
    /// Delete a channel that no unfinished task needs; its tasks and figures stay
    Delete(ChannelName),
}

/// The channel a command is about.
#[derive(Debug, Args)]
pub struct ChannelName {
    /// The channel's name
    #[arg(long, value_parser = name::parse)]
    name: String,
}

impl ChannelCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        match self {
            Self::Create(channel) => create::run(context, channel).await,
            Self::List => list::run(context).await,
            Self::Enable(channel) => enable(context, &channel.name, true).await,
            Self::Disable(channel) => enable(context, &channel.name, false).await,
            Self::Pause(channel) => pause::pause(context, channel).await,
            Self::Resume(channel) => pause::resume(context, &channel.name).await,
            Self::Set(channel) => set::run(context, *channel).await,
            Self::Test(channel) => test::run(context, &channel.name).await,
            Self::Delete(channel) => delete::run(context, &channel.name).await,
        }
    }
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

fn no_channel(name: &str) -> CommandError {
    CommandError::new(format!(
        "there is no channel named `{name}`; `channel list` shows all"
    ))
}

fn name_taken(name: &str) -> CommandError {
    CommandError::new(format!("there is a channel named `{name}` already"))
}

/// Warns of each of `channels` that a person could take for `name`.
fn warn_of_look_alikes<'a>(name: &str, channels: impl Iterator<Item = &'a Channel>) {
    let names = channels.map(|channel| channel.name.as_str());
    name::warn_of_look_alikes("channel", name, names);
}
