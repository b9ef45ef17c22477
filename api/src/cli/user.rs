//! `user …`: users and their access tokens.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use shared::secret::Secret;
use shared::store::accounts::{Granted, NewUser, Role, User};
use shared::task::{Quota, UserId};

use super::answer::fields;
use super::table::table;
use super::{Answer, Desk, Refusal, name};

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a user; prints its id and its access token, the token for the only time
    Create(Create),
    /// List all users
    List,
    /// Add to a user's quota
    Grant {
        /// Whose quota
        #[arg(long, value_parser = name::parse)]
        name: String,
        /// How much to add
        #[arg(long)]
        quota: Quota,
    },
    /// Let a user in again
    Enable(Named),
    /// Shut a user out; tasks under way go on
    Disable(Named),
    /// Replace a user's access token; prints the new one for the only time
    RotateToken(Named),
}

/// A user to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// A new name: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// What the user may do: make music, or see everybody's tasks too
    #[arg(long, value_enum, default_value_t = RoleName::User)]
    role: RoleName,
    /// What the user is granted to begin with
    #[arg(long, default_value_t = Quota::ZERO)]
    quota: Quota,
}

/// Which user.
#[derive(Debug, Args)]
pub struct Named {
    /// The user's name
    #[arg(long, value_parser = name::parse)]
    name: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    User,
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::User => Self::User,
            RoleName::Admin => Self::Admin,
        }
    }
}

#[derive(Serialize)]
struct WithToken<'a> {
    id: UserId,
    name: &'a str,
    access_token: &'a str,
}

#[derive(Serialize)]
struct Listed<'a> {
    id: UserId,
    name: &'a str,
    role: &'static str,
    enabled: bool,
    quota: Quota,
    used_quota: Quota,
}

#[derive(Serialize)]
struct Enabled<'a> {
    name: &'a str,
    enabled: bool,
}

#[derive(Serialize)]
struct Balance<'a> {
    name: &'a str,
    quota: Quota,
}

impl Command {
    pub(super) async fn answer(self, desk: Desk<'_>) -> Result<Answer, Refusal> {
        match self {
            Self::Create(user) => create(desk, user).await,
            Self::List => list(desk).await,
            Self::Grant { name, quota } => grant(desk, &name, quota).await,
            Self::Enable(user) => enable(desk, &user.name, true).await,
            Self::Disable(user) => enable(desk, &user.name, false).await,
            Self::RotateToken(user) => rotate_token(desk, &user.name).await,
        }
    }
}

async fn create(desk: Desk<'_>, user: Create) -> Result<Answer, Refusal> {
    let token = Secret::access_token(desk.random);
    let role = Role::from(user.role);
    let new = NewUser {
        name: user.name.clone(),
        role,
        quota: user.quota,
        token: token.digest(),
    };
    let name = &user.name;
    let made = desk.store.create_user(new, desk.clock.now()).await?;
    let id = made.ok_or_else(|| Refusal::new(format!("there is a user named `{name}` already")))?;
    let title = format!(
        "Made the {} `{name}` with a quota of {}.\n",
        role.as_str(),
        user.quota
    );
    with_token(&title, id, name, &token)
}

async fn rotate_token(desk: Desk<'_>, name: &str) -> Result<Answer, Refusal> {
    let user = desk.store.user_by_name(name).await?;
    let user = user.ok_or_else(|| Refusal::no_user(name))?;
    let token = Secret::access_token(desk.random);
    if !desk.store.replace_token(name, token.digest()).await? {
        return Err(Refusal::no_user(name));
    }
    let title = format!("`{name}` has a new access token; the old one is no good any more.\n");
    with_token(&title, user.id, name, &token)
}

fn with_token(title: &str, id: UserId, name: &str, token: &Secret) -> Result<Answer, Refusal> {
    let shown = fields(&[("id", &id.to_string()), ("access token", token.expose())]);
    let human = format!("{title}{shown}Keep the token: it is not shown again.");
    let json = WithToken {
        id,
        name,
        access_token: token.expose(),
    };
    Ok(Answer::new(human, &json)?.with_secret())
}

async fn list(desk: Desk<'_>) -> Result<Answer, Refusal> {
    let users = desk.store.users().await?;
    let json: Vec<Listed<'_>> = users.iter().map(listed).collect();
    if users.is_empty() {
        let human = "There are no users yet; `user create --name NAME` makes one.";
        return Answer::new(human, &json);
    }
    let rows: Vec<[String; 6]> = users.iter().map(row).collect();
    let titles = ["ID", "NAME", "ROLE", "STATE", "QUOTA", "USED"];
    Answer::new(table(titles, &rows), &json)
}

fn listed(user: &User) -> Listed<'_> {
    Listed {
        id: user.id,
        name: &user.name,
        role: user.role.as_str(),
        enabled: user.enabled,
        quota: user.quota,
        used_quota: user.used_quota,
    }
}

fn row(user: &User) -> [String; 6] {
    [
        user.id.to_string(),
        user.name.clone(),
        user.role.as_str().to_owned(),
        super::state(user.enabled).to_owned(),
        user.quota.to_string(),
        user.used_quota.to_string(),
    ]
}

async fn grant(desk: Desk<'_>, name: &str, quota: Quota) -> Result<Answer, Refusal> {
    match desk.store.grant(name, quota, desk.clock.now()).await? {
        Granted::Given(balance) => {
            let human = format!("Granted {quota} to `{name}`, whose quota is {balance} now.");
            let json = Balance {
                name,
                quota: balance,
            };
            Answer::new(human, &json)
        }
        Granted::NoSuchUser => Err(Refusal::no_user(name)),
        Granted::TooMuch => Err(Refusal::new(format!(
            "{quota} is too much: what `{name}` has and has used would pass {}; nothing was granted",
            Quota::MAX
        ))),
    }
}

async fn enable(desk: Desk<'_>, name: &str, enabled: bool) -> Result<Answer, Refusal> {
    if !desk.store.enable_user(name, enabled).await? {
        return Err(Refusal::no_user(name));
    }
    let human = format!("The user `{name}` is {}.", super::state(enabled));
    Answer::new(human, &Enabled { name, enabled })
}
