//! Users, access tokens, API keys, grants.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use tokio::time::timeout;

use super::PostgresStore;
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::store::accounts::{ApiKey, Granted, KeyHolder, NewUser, User};
use crate::store::batcher::{Batcher, Policy, to_each};
use crate::store::detach::detach;
use crate::store::{Result, StoreError, row};
use crate::task::{KeyId, Quota, UserId, money};

impl PostgresStore {
    pub(in crate::store) async fn create_user(
        &self,
        user: NewUser,
        now: Millis,
    ) -> Result<Option<UserId>> {
        let pool = self.pool.clone();
        detach(async move {
            let mut tx = pool.begin().await?;
            let Some(id) = insert_user(&mut tx, &user, now).await? else {
                return Ok(None);
            };
            if user.quota > Quota::ZERO {
                insert_grant(&mut tx, id, user.quota, now).await?;
            }
            tx.commit().await?;
            Ok(Some(id))
        })
        .await
    }

    pub(in crate::store) async fn users(&self) -> Result<Vec<User>> {
        let rows =
            sqlx::query("SELECT id, name, role, enabled, quota, used_quota FROM users ORDER BY id")
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(row::user).collect()
    }

    pub(in crate::store) async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        let found = sqlx::query(
            "SELECT id, name, role, enabled, quota, used_quota FROM users WHERE name = $1",
        )
        .bind(name)
        .fetch_optional(&self.pool)
        .await?;
        found.as_ref().map(row::user).transpose()
    }

    pub(in crate::store) async fn user_by_token(
        &self,
        token: SecretDigest,
    ) -> Result<Option<User>> {
        let found = sqlx::query(
            "SELECT id, name, role, enabled, quota, used_quota FROM users WHERE token_digest = $1",
        )
        .bind(token.as_bytes())
        .fetch_optional(&self.pool)
        .await?;
        found.as_ref().map(row::user).transpose()
    }

    pub(in crate::store) async fn grant(
        &self,
        name: &str,
        quota: Quota,
        now: Millis,
    ) -> Result<Granted> {
        let (pool, name) = (self.pool.clone(), name.to_owned());
        detach(async move {
            let mut tx = pool.begin().await?;
            let Some((id, room, balance)) = lock_balance(&mut tx, &name).await? else {
                return Ok(Granted::NoSuchUser);
            };
            let (true, Ok(balance)) = (quota.get() <= room, Quota::try_from(balance + quota.get()))
            else {
                return Ok(Granted::TooMuch);
            };
            raise_quota(&mut tx, id, quota).await?;
            insert_grant(&mut tx, id, quota, now).await?;
            tx.commit().await?;
            Ok(Granted::Given(balance))
        })
        .await
    }

    pub(in crate::store) async fn enable_user(&self, name: &str, enabled: bool) -> Result<bool> {
        let (pool, name) = (self.pool.clone(), name.to_owned());
        detach(async move {
            let done = sqlx::query("UPDATE users SET enabled = $2 WHERE name = $1")
                .bind(name)
                .bind(enabled)
                .execute(&pool)
                .await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    pub(in crate::store) async fn replace_token(
        &self,
        name: &str,
        token: SecretDigest,
    ) -> Result<bool> {
        let (pool, name) = (self.pool.clone(), name.to_owned());
        detach(async move {
            let done = sqlx::query("UPDATE users SET token_digest = $2 WHERE name = $1")
                .bind(name)
                .bind(token.as_bytes())
                .execute(&pool)
                .await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    pub(in crate::store) async fn create_key(
        &self,
        user: UserId,
        label: &str,
        key: SecretDigest,
        limit: Option<Quota>,
        now: Millis,
    ) -> Result<KeyId> {
        let (pool, label) = (self.pool.clone(), label.to_owned());
        detach(async move {
            let id = sqlx::query_scalar(
                "INSERT INTO api_keys (user_id, label, digest, quota_limit, created_at)
                 VALUES ($1, $2, $3, $4, $5)
                 RETURNING id",
            )
            .bind(user.0)
            .bind(label)
            .bind(key.as_bytes())
            .bind(limit.map(Quota::get))
            .bind(now.0)
            .fetch_one(&pool)
            .await?;
            Ok(KeyId(id))
        })
        .await
    }

    pub(in crate::store) async fn keys(&self, user: UserId) -> Result<Vec<ApiKey>> {
        let rows = sqlx::query(
            "SELECT id AS key_id, label, enabled AS key_enabled, quota_limit,
                    used_quota AS key_used_quota
             FROM api_keys
             WHERE user_id = $1
             ORDER BY id",
        )
        .bind(user.0)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(row::api_key).collect()
    }

    pub(in crate::store) async fn enable_key(&self, key: KeyId, enabled: bool) -> Result<bool> {
        let pool = self.pool.clone();
        detach(async move {
            let done = sqlx::query("UPDATE api_keys SET enabled = $2 WHERE id = $1")
                .bind(key.0)
                .bind(enabled)
                .execute(&pool)
                .await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    pub(in crate::store) async fn key_holder(
        &self,
        key: SecretDigest,
    ) -> Result<Option<KeyHolder>> {
        self.key_holders.call(None, key).await
    }
}

/// Batches of look-ups of API keys.
pub(super) type KeyHolders = Batcher<SecretDigest, Option<KeyHolder>>;

/// Batches look-ups of API keys: each request of a client makes one.
pub(super) fn batcher(pool: PgPool) -> KeyHolders {
    let policy = Policy {
        slots: 2,
        max_items: 100,
        pause: Duration::ZERO,
    };
    Batcher::new(policy, move |keys: Vec<SecretDigest>| {
        let pool = pool.clone();
        async move {
            // A read: to give it up leaves nothing half done.
            let found = timeout(LONGEST_LOOK, key_holders(&pool, &keys)).await;
            match found.unwrap_or(Err(StoreError::Busy)) {
                Ok(found) => {
                    let of = |key: &SecretDigest| match found.get(key.as_bytes()) {
                        Some(Ok(holder)) => Ok(Some(holder.clone())),
                        Some(Err(error)) => Err(error.alike()),
                        None => Ok(None),
                    };
                    keys.iter().map(of).collect()
                }
                Err(error) => to_each(keys.len(), error),
            }
        }
    })
}

/// The longest wait for who holds a key: for a connection, and for the answer, which may never come on
/// a wire that carries nothing.
const LONGEST_LOOK: Duration = Duration::from_secs(8);

/// Who holds the keys, by their digests. One that cannot be read does not hold up the others.
async fn key_holders(
    pool: &PgPool,
    keys: &[SecretDigest],
) -> Result<HashMap<Vec<u8>, Result<KeyHolder>>> {
    let keys: Vec<&[u8]> = keys.iter().map(SecretDigest::as_bytes).collect();
    let found = sqlx::query(
        "SELECT k.digest, u.id, u.name, u.role, u.enabled, u.quota, u.used_quota,
                k.id AS key_id, k.label, k.enabled AS key_enabled, k.quota_limit,
                k.used_quota AS key_used_quota
         FROM api_keys k
         JOIN users u ON u.id = k.user_id
         WHERE k.digest = ANY ($1)",
    )
    .bind(keys)
    .fetch_all(pool)
    .await?;
    let holder = |found: &PgRow| {
        Ok(KeyHolder {
            user: row::user(found)?,
            key: row::api_key(found)?,
        })
    };
    let found = found.iter();
    found
        .map(|found| Ok((found.try_get("digest")?, holder(found))))
        .collect()
}

type Tx = sqlx::PgTransaction<'static>;

/// `None`: the name is taken.
async fn insert_user(tx: &mut Tx, user: &NewUser, now: Millis) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar(
        "INSERT INTO users (name, role, quota, used_quota, token_digest, created_at)
         VALUES ($1, $2, $3, 0, $4, $5)
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    )
    .bind(&user.name)
    .bind(user.role.as_str())
    .bind(user.quota.get())
    .bind(user.token.as_bytes())
    .bind(now.0)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(id.map(UserId))
}

/// Locks a user; returns how much more fits into `quota + used_quota`, and the balance.
async fn lock_balance(tx: &mut Tx, name: &str) -> Result<Option<(UserId, i64, i64)>> {
    let found: Option<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, quota, used_quota FROM users WHERE name = $1 FOR NO KEY UPDATE")
            .bind(name)
            .fetch_optional(&mut **tx)
            .await?;
    Ok(found.map(|(id, quota, used)| (UserId(id), Quota::MAX.get() - quota - used, quota)))
}

async fn raise_quota(tx: &mut Tx, user: UserId, quota: Quota) -> Result<()> {
    sqlx::query("UPDATE users SET quota = quota + $2 WHERE id = $1")
        .bind(user.0)
        .bind(money::grant(quota).amount)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn insert_grant(tx: &mut Tx, user: UserId, quota: Quota, now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO ledger (user_id, kind, amount, created_at) VALUES ($1, 'grant', $2, $3)",
    )
    .bind(user.0)
    .bind(money::grant(quota).amount)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
