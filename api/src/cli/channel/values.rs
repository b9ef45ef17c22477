//! The values that the commands on channels take.

use clap::Args;
use clap::builder::TypedValueParser;
use shared::store::channels::by_hand::{PollLimit, Speaks};
use shared::task::{Action, Actions, Platform};

use super::super::CommandError;

/// What stands for the default of a value that has one.
const DEFAULT: &str = "default";

/// The limits of a channel, and what it serves.
#[derive(Debug, Args)]
pub struct Limits {
    /// How many tasks it may have at once, over all workers; 0: none is set, and the ceiling is learnt
    #[arg(long, value_name = "N")]
    pub(super) max_tasks: Option<u32>,
    /// How many submits a minute it may get; 0: no limit
    #[arg(long, value_name = "M")]
    pub(super) submits_per_minute: Option<u32>,
    /// How many fetches a second it may get; 0: no limit; `default`: what its platform takes
    #[arg(long, value_name = "P", value_parser = polls_per_second)]
    pub(super) polls_per_second: Option<PollLimit>,
    /// What it serves, separated by commas; `default`: songs and lyrics, and at other platforms than suno everything
    #[arg(long, value_name = "A,…", value_parser = known_actions)]
    actions: Option<String>,
}

impl Limits {
    /// The actions that were named, if any were. An error if the platform has no such action.
    pub(super) fn actions(&self, platform: Platform) -> Result<Option<Actions>, CommandError> {
        let Some(named) = self.actions.as_deref() else {
            return Ok(None);
        };
        if named == DEFAULT {
            return Ok(Some(platform.served()));
        }
        let action = |name: &str| action_of(platform, name.trim());
        let actions: Result<Vec<Action>, CommandError> = named.split(',').map(action).collect();
        Ok(Some(Actions::only(actions?)))
    }
}

/// Names of actions that some platform has.
fn known_actions(text: &str) -> Result<String, String> {
    if text != DEFAULT {
        for name in text.split(',') {
            known_action(name).map_err(|what| format!("{what}, and `{DEFAULT}` stands alone"))?;
        }
    }
    Ok(text.to_owned())
}

/// The name of an action that some platform has.
pub fn known_action(name: &str) -> Result<String, String> {
    if Action::from_client(name.trim()).is_some() {
        return Ok(name.to_owned());
    }
    let known: Vec<&str> = Action::known().into_iter().map(Action::as_str).collect();
    Err(format!(
        "`{name}` is no action; there are {}",
        known.join(", ")
    ))
}

/// The action of the platform that an operator names.
pub fn action_of(platform: Platform, name: &str) -> Result<Action, CommandError> {
    platform.action(name).ok_or_else(|| {
        let known: Vec<&str> = platform.actions().map(Action::as_str).collect();
        let known = known.join(", ");
        CommandError::new(format!(
            "`{name}` is no action of {platform}; there are {known}"
        ))
    })
}

/// How a channel's upstream speaks.
#[derive(Debug, Args)]
pub struct Spoken {
    /// How the upstream speaks, where its platform has several dialects; the platform's name: its own. A wrong name
    /// shows them all
    #[arg(long, value_name = "D")]
    dialect: Option<String>,
}

impl Spoken {
    /// What was named, if anything was. An error if the platform has no dialect of that name.
    pub(super) fn of(&self, platform: Platform) -> Result<Option<Speaks>, CommandError> {
        let Some(named) = &self.dialect else {
            return Ok(None);
        };
        if named == platform.as_str() {
            return Ok(Some(Speaks::Own));
        }
        let found = upstream::dialects(platform).find(|dialect| dialect.as_str() == named);
        if let Some(dialect) = found {
            return Ok(Some(Speaks::Dialect(dialect)));
        }
        let own = [platform.to_string()].into_iter();
        let all = own.chain(upstream::dialects(platform).map(|dialect| dialect.to_string()));
        let all: Vec<String> = all.map(|name| format!("`{name}`")).collect();
        Err(CommandError::new(format!(
            "`{named}` is no dialect of the platform {platform}; there are {}",
            all.join(", ")
        )))
    }
}

/// A channel's weight.
pub(super) fn weight() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=1000)
}

fn polls_per_second(text: &str) -> Result<PollLimit, String> {
    if text == DEFAULT {
        return Ok(PollLimit::Default);
    }
    let limit = text.parse().map(PollLimit::PerSecond);
    limit.map_err(|_| format!("it takes a whole number, or `{DEFAULT}`"))
}
