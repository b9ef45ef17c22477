//! `user …`: users and their access tokens.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde::Serialize;
use shared::secret::Secret;
use shared::store::accounts::{Granted, NewUser, Role, User, UserChange};
use shared::task::{Quota, UserId};

use super::output::fields;
use super::{CommandContext, CommandError, Output, limit, name, state, switched};

/// The commands on users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user and print the id and the access token; the token cannot be shown again
    Create(CreateUser),
    /// List all users
    List,
    /// Add to a user's quota
    Grant {
        /// The user's name
        #[arg(long, value_parser = name::parse)]
        name: String,
        /// The quota to add
        #[arg(long)]
        quota: Quota,
    },
    /// Set a user's limits
    Set(SetUser),
    /// Enable a user
    Enable(UserName),
    /// Disable a user: requests with the token or a key get 403; unfinished tasks go on
    Disable(UserName),
    /// Replace a user's access token and print the new one; it cannot be shown again
    RotateToken(UserName),
}

/// The arguments of `user create`.
#[derive(Debug, Args)]
pub struct CreateUser {
    /// A name that no other user has: 1 to 64 printable characters
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// What the user may do: `user` makes music and sees own tasks, `admin` sees everybody's too
    #[arg(long, value_enum, default_value_t = RoleName::User)]
    role: RoleName,
    /// The quota the user starts with
    #[arg(long, default_value_t = Quota::ZERO)]
    quota: Quota,
}

/// The arguments of `user set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what is set").args(["max_tasks", "max_waiting"]).required(true).multiple(true))]
pub struct SetUser {
    /// The user's name
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// How many of the user's tasks run at once at most; those above wait. 0: no limit
    #[arg(long, value_name = "N")]
    max_tasks: Option<u32>,
    /// How many of the user's tasks may wait to be sent; a submit above that is refused. 0: no limit
    #[arg(long, value_name = "W")]
    max_waiting: Option<u32>,
}

/// The user a command is about.
#[derive(Debug, Args)]
pub struct UserName {
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
struct UserToken<'a> {
    id: UserId,
    name: &'a str,
    access_token: &'a str,
}

#[derive(Serialize)]
struct Balance<'a> {
    name: &'a str,
    quota: Quota,
}

impl UserCommand {
    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<Output, CommandError> {
        match self {
            Self::Create(user) => create(context, user).await,
            Self::List => list(context).await,
            Self::Grant { name, quota } => grant(context, &name, quota).await,
            Self::Set(user) => set(context, user).await,
            Self::Enable(user) => enable(context, &user.name, true).await,
            Self::Disable(user) => enable(context, &user.name, false).await,
            Self::RotateToken(user) => rotate_token(context, &user.name).await,
        }
    }
}

async fn create(context: CommandContext<'_>, user: CreateUser) -> Result<Output, CommandError> {
    let token = Secret::access_token(context.random);
    let role = Role::from(user.role);
    let new = NewUser {
        name: user.name.clone(),
        role,
        quota: user.quota,
        token: token.digest(),
    };
    let name = &user.name;
    let others = context.store.users().await?;
    let made = context.store.create_user(new, context.clock.now()).await?;
    let id =
        made.ok_or_else(|| CommandError::new(format!("there is a user named `{name}` already")))?;
    let others = others.iter().map(|other| other.name.as_str());
    name::warn_of_look_alikes("user", name, others);
    let (role, quota) = (role.as_str(), user.quota);
    let title = format!("Made the {role} `{name}` with a quota of {quota}.\n");
    with_token(&title, id, name, &token)
}

async fn rotate_token(context: CommandContext<'_>, name: &str) -> Result<Output, CommandError> {
    let user = context.store.user_by_name(name).await?;
    let user = user.ok_or_else(|| CommandError::no_user(name))?;
    let token = Secret::access_token(context.random);
    if !context.store.replace_token(name, token.digest()).await? {
        return Err(CommandError::no_user(name));
    }
    let title = format!("`{name}` has a new access token; the old one is no good any more.\n");
    with_token(&title, user.id, name, &token)
}

fn with_token(title: &str, id: UserId, name: &str, token: &Secret) -> Result<Output, CommandError> {
    let shown = fields(&[("id", &id.to_string()), ("access token", token.expose())]);
    let human = format!("{title}{shown}Keep the token: it is not shown again.");
    let json = UserToken {
        id,
        name,
        access_token: token.expose(),
    };
    Ok(Output::new(human, &json)?.with_secret())
}

async fn list(context: CommandContext<'_>) -> Result<Output, CommandError> {
    let users = context.store.users().await?;
    let none = "There are no users yet; `user create --name NAME` makes one.";
    let titles = [
        "ID",
        "NAME",
        "ROLE",
        "STATE",
        "QUOTA",
        "USED",
        "MAX TASKS",
        "MAX WAITING",
    ];
    Output::list(none, titles, &users, row)
}

fn row(user: &User) -> [String; 8] {
    [
        user.id.to_string(),
        user.name.clone(),
        user.role.as_str().to_owned(),
        state(user.enabled).to_owned(),
        user.quota.to_string(),
        user.used_quota.to_string(),
        limit(user.max_tasks),
        limit(user.max_waiting),
    ]
}

async fn set(context: CommandContext<'_>, set: SetUser) -> Result<Output, CommandError> {
    let change = UserChange {
        max_tasks: set.max_tasks,
        max_waiting: set.max_waiting,
    };
    let name = &set.name;
    let user = context.store.set_user(name, change).await?;
    let user = user.ok_or_else(|| CommandError::no_user(name))?;
    let title = format!("The limits of `{name}` are now:\n");
    let shown = fields(&[
        ("max tasks", &limit(user.max_tasks)),
        ("max waiting", &limit(user.max_waiting)),
    ]);
    Output::new(title + &shown, &user)
}

async fn grant(
    context: CommandContext<'_>,
    name: &str,
    quota: Quota,
) -> Result<Output, CommandError> {
    let now = context.clock.now();
    match context.store.grant(name, quota, now).await? {
        Granted::Given(balance) => {
            let human = format!("Granted {quota} to `{name}`, whose quota is {balance} now.");
            let quota = balance;
            Output::new(human, &Balance { name, quota })
        }
        Granted::NoSuchUser => Err(CommandError::no_user(name)),
        Granted::TooMuch => Err(CommandError::new(format!(
            "{quota} is too much: what `{name}` has and has used would pass {}; nothing was granted",
            Quota::MAX
        ))),
    }
}

async fn enable(
    context: CommandContext<'_>,
    name: &str,
    enabled: bool,
) -> Result<Output, CommandError> {
    if !context.store.enable_user(name, enabled).await? {
        return Err(CommandError::no_user(name));
    }
    switched("user", name, enabled)
}
