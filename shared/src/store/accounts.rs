//! Users, access tokens, API keys, grants.

use serde::Serialize;

use super::{Database, Result, Store};
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::task::{KeyId, Quota, UserId};

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
    /// The unique name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may do anything at all.
    pub enabled: bool,
    /// What is left to spend.
    pub quota: Quota,
    /// What was spent and not given back.
    pub used_quota: Quota,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name; must be new.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What they are granted to begin with.
    pub quota: Quota,
    /// The digest of the one access token.
    pub token: SecretDigest,
}

/// An API key. The commands print these fields as JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// The number.
    pub id: KeyId,
    /// What the operator calls it.
    pub label: String,
    /// Whether it opens anything.
    pub enabled: bool,
    /// What is left of its limit; `None` without a limit of its own.
    pub quota: Option<Quota>,
    /// What was spent with it and not given back.
    pub used_quota: Quota,
}

/// Who calls with an API key.
#[derive(Debug, Clone)]
pub struct KeyHolder {
    /// The key's user.
    pub user: User,
    /// The key.
    pub key: ApiKey,
}

/// How a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// Given; the balance is now this.
    Given(Quota),
    /// There is no such user.
    NoSuchUser,
    /// `quota + used_quota` would pass [`Quota::MAX`]; nothing was given.
    TooMuch,
}

impl Store {
    /// Makes a user; a quota above zero is a `grant` in the ledger, in the same transaction.
    /// `None`: the name is taken, and nothing was made.
    pub async fn create_user(&self, user: NewUser, now: Millis) -> Result<Option<UserId>> {
        match &self.database {
            Database::Postgres(store) => store.create_user(user, now).await,
            Database::Sqlite(store) => store.create_user(user, now).await,
        }
    }

    /// Every user, by number.
    pub async fn users(&self) -> Result<Vec<User>> {
        match &self.database {
            Database::Postgres(store) => store.users().await,
            Database::Sqlite(store) => store.users().await,
        }
    }

    /// The user of that name.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        match &self.database {
            Database::Postgres(store) => store.user_by_name(name).await,
            Database::Sqlite(store) => store.user_by_name(name).await,
        }
    }

    /// The user whose access token has this digest, enabled or not.
    pub async fn user_by_token(&self, token: SecretDigest) -> Result<Option<User>> {
        match &self.database {
            Database::Postgres(store) => store.user_by_token(token).await,
            Database::Sqlite(store) => store.user_by_token(token).await,
        }
    }

    /// Adds `quota` to a user's balance, with a `grant` in the ledger, in one transaction.
    pub async fn grant(&self, name: &str, quota: Quota, now: Millis) -> Result<Granted> {
        match &self.database {
            Database::Postgres(store) => store.grant(name, quota, now).await,
            Database::Sqlite(store) => store.grant(name, quota, now).await,
        }
    }

    /// Enables or disables a user. `false`: there is none of that name.
    pub async fn enable_user(&self, name: &str, enabled: bool) -> Result<bool> {
        match &self.database {
            Database::Postgres(store) => store.enable_user(name, enabled).await,
            Database::Sqlite(store) => store.enable_user(name, enabled).await,
        }
    }

    /// Replaces a user's access token. `false`: there is none of that name.
    pub async fn replace_token(&self, name: &str, token: SecretDigest) -> Result<bool> {
        match &self.database {
            Database::Postgres(store) => store.replace_token(name, token).await,
            Database::Sqlite(store) => store.replace_token(name, token).await,
        }
    }

    /// Makes an API key, with a limit of its own or without.
    pub async fn create_key(
        &self,
        user: UserId,
        label: &str,
        key: SecretDigest,
        limit: Option<Quota>,
        now: Millis,
    ) -> Result<KeyId> {
        match &self.database {
            Database::Postgres(store) => store.create_key(user, label, key, limit, now).await,
            Database::Sqlite(store) => store.create_key(user, label, key, limit, now).await,
        }
    }

    /// A user's API keys, by number.
    pub async fn keys(&self, user: UserId) -> Result<Vec<ApiKey>> {
        match &self.database {
            Database::Postgres(store) => store.keys(user).await,
            Database::Sqlite(store) => store.keys(user).await,
        }
    }

    /// Enables or disables an API key. `false`: there is none of that number.
    pub async fn enable_key(&self, key: KeyId, enabled: bool) -> Result<bool> {
        match &self.database {
            Database::Postgres(store) => store.enable_key(key, enabled).await,
            Database::Sqlite(store) => store.enable_key(key, enabled).await,
        }
    }

    /// Who holds the API key of this digest, both enabled or not.
    pub async fn key_holder(&self, key: SecretDigest) -> Result<Option<KeyHolder>> {
        match &self.database {
            Database::Postgres(store) => store.key_holder(key).await,
            Database::Sqlite(store) => store.key_holder(key).await,
        }
    }
}
