//! `key …`: API keys.

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::secret::Secret;
use shared::store::accounts::{ApiKey, User};
use shared::task::{KeyId, Quota};

use super::answer::fields;
use super::table::table;
use super::{Answer, Desk, Refusal, name};

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an API key; prints it for the only time
    Create(Create),
    /// List a user's API keys
    List {
        /// Whose keys
        #[arg(long, value_parser = name::parse)]
        user: String,
    },
    /// Make an API key good again
    Enable(Numbered),
    /// Make an API key no good; tasks under way go on
    Disable(Numbered),
}

/// An API key to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// Whose key
    #[arg(long, value_parser = name::parse)]
    user: String,
    /// What to call it: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    label: String,
    /// The most that may be spent with it; without, the user's quota is its only limit
    #[arg(long)]
    quota: Option<Quota>,
}

/// Which API key.
#[derive(Debug, Args)]
pub struct Numbered {
    /// The key's id, as `key list` shows it
    #[arg(long)]
    id: i64,
}

#[derive(Serialize)]
struct Made<'a> {
    id: KeyId,
    key: &'a str,
}

#[derive(Serialize)]
struct Listed<'a> {
    id: KeyId,
    label: &'a str,
    enabled: bool,
    quota: Option<Quota>,
    used_quota: Quota,
}

#[derive(Serialize)]
struct Enabled {
    id: KeyId,
    enabled: bool,
}

impl Command {
    pub(super) async fn answer(self, desk: Desk<'_>) -> Result<Answer, Refusal> {
        match self {
            Self::Create(key) => create(desk, key).await,
            Self::List { user } => list(desk, &user).await,
            Self::Enable(key) => enable(desk, KeyId(key.id), true).await,
            Self::Disable(key) => enable(desk, KeyId(key.id), false).await,
        }
    }
}

async fn create(desk: Desk<'_>, new: Create) -> Result<Answer, Refusal> {
    let user = owner(desk, &new.user).await?;
    let key = Secret::api_key(desk.random);
    let id = desk
        .store
        .create_key(
            user.id,
            &new.label,
            key.digest(),
            new.quota,
            desk.clock.now(),
        )
        .await?;
    let limit = new.quota.map_or_else(
        || "without a limit of its own".to_owned(),
        |quota| format!("with a limit of {quota}"),
    );
    let title = format!("Made the key `{}` of `{}` {limit}.", new.label, new.user);
    let shown = fields(&[("id", &id.to_string()), ("key", key.expose())]);
    let human = format!("{title}\n{shown}Keep the key: it is not shown again.");
    let key = key.expose();
    Ok(Answer::new(human, &Made { id, key })?.with_secret())
}

async fn list(desk: Desk<'_>, name: &str) -> Result<Answer, Refusal> {
    let user = owner(desk, name).await?;
    let keys = desk.store.keys(user.id).await?;
    let json: Vec<Listed<'_>> = keys.iter().map(listed).collect();
    if keys.is_empty() {
        let human = format!(
            "`{name}` has no keys yet; `key create --user {name} --label LABEL` makes one."
        );
        return Answer::new(human, &json);
    }
    let rows: Vec<[String; 5]> = keys.iter().map(row).collect();
    let titles = ["ID", "LABEL", "STATE", "QUOTA", "USED"];
    Answer::new(table(titles, &rows), &json)
}

async fn owner(desk: Desk<'_>, name: &str) -> Result<User, Refusal> {
    let user = desk.store.user_by_name(name).await?;
    user.ok_or_else(|| Refusal::no_user(name))
}

fn listed(key: &ApiKey) -> Listed<'_> {
    Listed {
        id: key.id,
        label: &key.label,
        enabled: key.enabled,
        quota: key.quota,
        used_quota: key.used_quota,
    }
}

fn row(key: &ApiKey) -> [String; 5] {
    let limit = key.quota.map(|quota| quota.to_string());
    [
        key.id.to_string(),
        key.label.clone(),
        super::state(key.enabled).to_owned(),
        limit.unwrap_or_else(|| "no limit".to_owned()),
        key.used_quota.to_string(),
    ]
}

async fn enable(desk: Desk<'_>, id: KeyId, enabled: bool) -> Result<Answer, Refusal> {
    if !desk.store.enable_key(id, enabled).await? {
        return Err(Refusal::new(format!(
            "there is no key with the id {id}; `key list --user NAME` shows a user's"
        )));
    }
    let human = format!("The key {id} is {}.", super::state(enabled));
    Answer::new(human, &Enabled { id, enabled })
}
