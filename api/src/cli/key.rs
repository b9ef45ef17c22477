//! `key …`: API keys. `set` has a file of its own.

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::accounts::{ApiKey, NewKey, User};
use shared::task::{KeyId, Quota};

use super::key_set::{self, SetKey};
use super::output::fields;
use super::{CommandContext, CommandError, Output, limit, name, state};

/// The commands on API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an API key and print it; it cannot be shown again
    Create(CreateKey),
    /// List a user's API keys
    List {
        /// The user's name
        #[arg(long, value_parser = name::parse)]
        user: String,
    },
    /// Set an API key's limits
    Set(SetKey),
    /// Enable an API key
    Enable(KeyNumber),
    /// Disable an API key: requests with it get 403; its unfinished tasks go on
    Disable(KeyNumber),
}

/// The arguments of `key create`.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// The name of the user who gets it
    #[arg(long, value_parser = name::parse)]
    user: String,
    /// Its label: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    label: String,
    /// The most quota that can be spent with it; without, the user's own quota is the only limit
    #[arg(long)]
    quota: Option<Quota>,
    /// From when on it is refused: a date or a date with time by RFC 3339, such as 2030-01-31 or
    /// 2030-01-31T18:00:00+08:00. UTC without a zone; a date alone is the start of that day in UTC. Without,
    /// the key never expires
    #[arg(long, value_name = "DATE", value_parser = date)]
    expires: Option<Millis>,
}

pub(super) fn date(text: &str) -> Result<Millis, String> {
    Millis::from_date(text).ok_or_else(|| {
        "it takes a date such as 2030-01-31, or a date with time such as 2030-01-31T18:00:00Z or \
         2030-01-31T18:00:00+08:00"
            .to_owned()
    })
}

/// The API key a command is about.
#[derive(Debug, Args)]
pub struct KeyNumber {
    /// The key's id, as `key list` shows it
    #[arg(long)]
    id: i64,
}

#[derive(Serialize)]
struct CreatedKey<'a> {
    id: KeyId,
    key: &'a str,
}

#[derive(Serialize)]
struct KeyState {
    id: KeyId,
    enabled: bool,
}

impl KeyCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        match self {
            Self::Create(key) => create(context, key).await,
            Self::List { user } => list(context, &user).await,
            Self::Set(key) => key_set::run(context, key).await,
            Self::Enable(key) => enable(context, KeyId(key.id), true).await,
            Self::Disable(key) => enable(context, KeyId(key.id), false).await,
        }
    }
}

async fn create(context: CommandContext<'_>, new: CreateKey) -> Result<Output, CommandError> {
    let user = owner(context, &new.user).await?;
    let now = context.clock.now();
    if let Some(moment) = new.expires.filter(|moment| *moment <= now) {
        let (moment, now) = (moment.utc(), now.utc());
        return Err(CommandError::new(format!(
            "--expires names a time in the past: {moment}, and now it is {now}; no key was made"
        )));
    }
    let key = Secret::api_key(context.random);
    let created = NewKey {
        limit: new.quota,
        expires_at: new.expires,
        ..NewKey::new(user.id, &new.label, key.digest())
    };
    let others = context.store.keys(user.id).await?;
    let id = context.store.create_key(created, now).await?;
    let others = others.iter().map(|other| other.label.as_str());
    name::warn_of_look_alikes("key", &new.label, others);
    let limit = new.quota.map_or_else(
        || "without a limit of its own".to_owned(),
        |quota| format!("with a limit of {quota}"),
    );
    let title = format!("Made the key `{}` of `{}` {limit}.", new.label, new.user);
    let expires = new.expires.map(Millis::utc).unwrap_or_default();
    let shown = fields(&[
        ("id", &id.to_string()),
        ("key", key.expose()),
        ("expires", &expires),
    ]);
    let human = format!("{title}\n{shown}Keep the key: it is not shown again.");
    let key = key.expose();
    Ok(Output::new(human, &CreatedKey { id, key })?.with_secret())
}

async fn list(context: CommandContext<'_>, name: &str) -> Result<Output, CommandError> {
    let user = owner(context, name).await?;
    let keys = context.store.keys(user.id).await?;
    let none =
        format!("`{name}` has no keys yet; `key create --user {name} --label LABEL` makes one.");
    let titles = [
        "ID",
        "LABEL",
        "STATE",
        "QUOTA",
        "USED",
        "EXPIRES",
        "MAX TASKS",
        "RATE",
    ];
    Output::list(&none, titles, &keys, row)
}

async fn owner(context: CommandContext<'_>, name: &str) -> Result<User, CommandError> {
    let user = context.store.user_by_name(name).await?;
    user.ok_or_else(|| CommandError::no_user(name))
}

fn row(key: &ApiKey) -> [String; 8] {
    [
        key.id.to_string(),
        key.label.clone(),
        state(key.enabled).to_owned(),
        quota(key),
        key.used_quota.to_string(),
        expires(key),
        limit(key.max_tasks),
        rate(key),
    ]
}

/// How people read what is left of the key's limit.
pub(super) fn quota(key: &ApiKey) -> String {
    let left = key.quota.map(|quota| quota.to_string());
    left.unwrap_or_else(|| "no limit".to_owned())
}

/// How people read when the key expires.
pub(super) fn expires(key: &ApiKey) -> String {
    key.expires_at
        .map_or_else(|| "never".to_owned(), Millis::utc)
}

/// How people read how many requests a second are taken with the key.
pub(super) fn rate(key: &ApiKey) -> String {
    key.rate.map_or_else(|| "default".to_owned(), limit)
}

async fn enable(
    context: CommandContext<'_>,
    id: KeyId,
    enabled: bool,
) -> Result<Output, CommandError> {
    if !context.store.enable_key(id, enabled).await? {
        return Err(CommandError::no_key(id));
    }
    let human = format!("The key {id} is {}.", state(enabled));
    Output::new(human, &KeyState { id, enabled })
}
