//! Users, access tokens and grants; API keys are in [`keys`].

#![allow(missing_docs, reason = "names explain the rest")]

pub mod keys;

use serde::Serialize;

use super::row::{self, Cells};
use super::sql::{Tx, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::task::money::{self, EntryKind};
use crate::task::{Quota, UserId};
pub use keys::{ApiKey, Expiry, KeyChange, KeyHolder, KeyRate, KeySet, Limit, NewKey};
pub(super) use keys::{key_holder, key_holders};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Makes music and sees their own tasks.
    User,
    /// Sees everybody's tasks too.
    Admin,
}

impl Role {
    /// Its name on the command line and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// A user. The commands print these fields as JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The number, as in `New-Api-User`.
    pub id: UserId,
    pub name: String,
    pub role: Role,
    pub enabled: bool,
    /// What is left to spend.
    pub quota: Quota,
    /// What was spent and not given back.
    pub used_quota: Quota,
    /// How many of the user's tasks run at once at most; 0: no limit.
    pub max_tasks: u32,
    /// How many of the user's tasks may wait to be sent; 0: no limit.
    pub max_waiting: u32,
}

/// What to set of a user; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserChange {
    pub max_tasks: Option<u32>,
    pub max_waiting: Option<u32>,
}

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub name: String,
    pub role: Role,
    /// What they are granted to begin with.
    pub quota: Quota,
    /// The digest of the one access token.
    pub token: SecretDigest,
}

/// How a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// Given; the balance is now this.
    Given(Quota),
    NoSuchUser,
    /// `quota + used_quota` would pass [`Quota::MAX`]; nothing was given.
    TooMuch,
}

/// The columns that [`user`] reads, of `users u`.
const USER: &str =
    "u.id, u.name, u.role, u.enabled, u.quota, u.used_quota, u.max_tasks, u.max_waiting";

impl Store {
    /// Creates a user; a quota above zero is a `grant` in the ledger, in the same transaction.
    /// `None`: the name is taken, and nothing was created.
    pub async fn create_user(&self, user: NewUser, now: Millis) -> Result<Option<UserId>> {
        let insert = sql(
            "INSERT INTO users (name, role, quota, used_quota, token_digest, created_at)
             VALUES ($1, $2, $3, 0, $4, $5)
             ON CONFLICT (name) DO NOTHING
             RETURNING id",
        )
        .bind(&*user.name) // $1 name
        .bind(user.role.as_str()) // $2 role
        .bind(user.quota.get()) // $3 quota
        .bind(user.token.as_bytes()) // $4 token_digest
        .bind(now.0); // $5 created_at
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let Some(created) = tx.optional(insert).await? else {
                        return Ok(None);
                    };
                    let id = UserId(created.int("id")?);
                    if user.quota > Quota::ZERO {
                        insert_grant(tx, id, user.quota, now).await?;
                    }
                    Ok(Some(id))
                })
            })
            .await
    }

    /// Every user, by number.
    pub async fn users(&self) -> Result<Vec<User>> {
        let select = sql(format!("SELECT {USER} FROM users u ORDER BY u.id"));
        let found = self.database.all(select).await?;
        found.iter().map(user).collect()
    }

    /// The user of that name.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        let select = sql(format!("SELECT {USER} FROM users u WHERE u.name = $1")).bind(name);
        let found = self.database.optional(select).await?;
        found.as_ref().map(user).transpose()
    }

    /// The user whose access token has this digest, enabled or not.
    pub async fn user_by_token(&self, token: SecretDigest) -> Result<Option<User>> {
        let select = sql(format!(
            "SELECT {USER} FROM users u WHERE u.token_digest = $1"
        ));
        let select = select.bind(token.as_bytes());
        let found = self.database.optional(select).await?;
        found.as_ref().map(user).transpose()
    }

    /// Adds `quota` to a user's balance, with a `grant` in the ledger, in one transaction.
    pub async fn grant(&self, name: &str, quota: Quota, now: Millis) -> Result<Granted> {
        let select = sql("SELECT id FROM users WHERE name = $1").bind(name);
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let Some(found) = tx.optional(select).await? else {
                        return Ok(Granted::NoSuchUser);
                    };
                    let id = UserId(found.int("id")?);
                    // A refund must always fit, so the limit holds for balance and spending together.
                    let raise = sql("UPDATE users
                         SET quota = quota + $2
                         WHERE id = $1 AND quota + used_quota + $2 <= $3
                         RETURNING quota")
                    .bind(id.0) // $1 id
                    .bind(money::grant(quota).amount) // $2 what is added
                    .bind(Quota::MAX.get()); // $3 the limit
                    let Some(raised) = tx.optional(raise).await? else {
                        return Ok(Granted::TooMuch);
                    };
                    insert_grant(tx, id, quota, now).await?;
                    let balance = row::quota("users", "quota", id.0, raised.int("quota")?)?;
                    Ok(Granted::Given(balance))
                })
            })
            .await
    }

    /// Enables or disables a user. `false`: there is none of that name.
    pub async fn enable_user(&self, name: &str, enabled: bool) -> Result<bool> {
        let update = sql("UPDATE users SET enabled = $2 WHERE name = $1");
        self.database.changes(update.bind(name).bind(enabled)).await
    }

    /// Sets limits of a user. `None`: there is none of that name.
    pub async fn set_user(&self, name: &str, change: UserChange) -> Result<Option<User>> {
        let select = sql(format!("SELECT {USER} FROM users u WHERE u.name = $1")).bind(name);
        let update = sql("UPDATE users
             SET max_tasks = COALESCE($2, max_tasks), max_waiting = COALESCE($3, max_waiting)
             WHERE name = $1")
        .bind(name) // $1 name
        .bind(change.max_tasks.map(i64::from)) // $2 max_tasks
        .bind(change.max_waiting.map(i64::from)); // $3 max_waiting
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    tx.execute(update).await?;
                    let found = tx.optional(select).await?;
                    found.as_ref().map(user).transpose()
                })
            })
            .await
    }

    /// Replaces a user's access token. `false`: there is none of that name.
    pub async fn replace_token(&self, name: &str, token: SecretDigest) -> Result<bool> {
        let update = sql("UPDATE users SET token_digest = $2 WHERE name = $1");
        let update = update.bind(name).bind(token.as_bytes());
        self.database.changes(update).await
    }
}

async fn insert_grant(tx: &mut Tx, user: UserId, quota: Quota, now: Millis) -> Result<()> {
    let insert =
        sql("INSERT INTO ledger (user_id, kind, amount, created_at) VALUES ($1, $2, $3, $4)")
            .bind(user.0) // $1 user_id
            .bind(EntryKind::Grant.as_str()) // $2 kind
            .bind(money::grant(quota).amount) // $3 amount
            .bind(now.0); // $4 created_at
    tx.execute(insert).await?;
    Ok(())
}

/// A row of [`USER`].
fn user(found: &impl Cells) -> Result<User> {
    let id = found.int("id")?;
    Ok(User {
        id: UserId(id),
        name: found.text("name")?,
        role: match found.text("role")?.as_str() {
            "admin" => Role::Admin,
            "user" => Role::User,
            other => return Err(row::bad("users", "role", id, other)),
        },
        enabled: found.flag("enabled")?,
        quota: row::quota("users", "quota", id, found.int("quota")?)?,
        used_quota: row::quota("users", "used_quota", id, found.int("used_quota")?)?,
        max_tasks: row::count("users", "max_tasks", id, found.int("max_tasks")?)?,
        max_waiting: row::count("users", "max_waiting", id, found.int("max_waiting")?)?,
    })
}
