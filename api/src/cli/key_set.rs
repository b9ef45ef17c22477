//! `key set`: the limits of an API key.

use std::str::FromStr;

use clap::{ArgGroup, Args};
use shared::config::HIGHEST_RATE;
use shared::store::accounts::{Expiry, KeyChange, KeyRate, KeySet, Limit};
use shared::task::{KeyId, Quota};

use super::output::fields;
use super::{CommandContext, CommandError, Output, key, limit};

/// The arguments of `key set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what is set").args(["quota", "expires", "max_tasks", "rate"]).required(true).multiple(true))]
pub struct SetKey {
    /// The key's id, as `key list` shows it
    #[arg(long)]
    id: i64,
    /// The most quota that can be spent with it, with what was spent already; `none`: the user's own quota is the
    /// only limit
    #[arg(long, value_name = "Q|none", value_parser = quota)]
    quota: Option<Limit>,
    /// From when on it is refused, as `key create` takes it; `never`: it does not expire
    #[arg(long, value_name = "DATE|never", value_parser = expiry)]
    expires: Option<Expiry>,
    /// How many of its tasks run at once at most; those above wait. 0: no limit
    #[arg(long, value_name = "N")]
    max_tasks: Option<u32>,
    /// How many requests a second each API process takes with it, after a pause ten times as many at once. 0: any
    /// number; `default`: as many as `API_RATE_LIMIT` says
    #[arg(long, value_name = "N|default", value_parser = rate)]
    rate: Option<KeyRate>,
}

fn quota(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit::None);
    }
    let quota = Quota::from_str(text).map_err(|why| format!("{why}; or `none`"))?;
    Ok(Limit::At(quota))
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let moment = key::date(text).map_err(|why| format!("{why}; or `never`"))?;
    Ok(Expiry::At(moment))
}

fn rate(text: &str) -> Result<KeyRate, String> {
    if text == "default" {
        return Ok(KeyRate::Default);
    }
    let many = text.parse().ok().filter(|many| *many <= HIGHEST_RATE);
    let takes = || format!("it takes a whole number from 0 to {HIGHEST_RATE}, or `default`");
    many.map(KeyRate::ASecond).ok_or_else(takes)
}

pub(super) async fn run(context: CommandContext<'_>, set: SetKey) -> Result<Output, CommandError> {
    let now = context.clock.now();
    if let Some(Expiry::At(moment)) = set.expires
        && moment <= now
    {
        let (moment, now) = (moment.utc(), now.utc());
        return Err(CommandError::new(format!(
            "--expires names a time in the past: {moment}, and now it is {now}; nothing was changed. \
             `key disable` refuses a key at once"
        )));
    }
    let change = KeyChange {
        limit: set.quota,
        expires: set.expires,
        max_tasks: set.max_tasks,
        rate: set.rate,
    };
    let id = KeyId(set.id);
    match context.store.set_key(id, change).await? {
        KeySet::Done(key) => {
            let title = format!("The limits of the key {id} are now:\n");
            let shown = fields(&[
                ("quota left", &key::quota(&key)),
                ("expires", &key::expires(&key)),
                ("max tasks", &limit(key.max_tasks)),
                ("rate", &key::rate(&key)),
            ]);
            Output::new(title + &shown, &key)
        }
        KeySet::NoSuchKey => Err(CommandError::no_key(id)),
        KeySet::LimitBelowUsed(used) => Err(CommandError::new(format!(
            "{used} was spent with the key {id} already, which is more than this --quota; nothing was changed. \
             --quota is the most that can be spent with a key in all: give {used} or more, or `key disable` it"
        ))),
    }
}
