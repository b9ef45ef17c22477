//! Users, access tokens, API keys, grants.

use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::store::Result;
use crate::store::accounts::{ApiKey, Granted, KeyHolder, NewUser, User};
use crate::store::detach::detach;
use crate::store::row::{self, Cells as _};
use crate::task::money::{self, EntryKind};
use crate::task::{KeyId, Quota, UserId};

impl SqliteStore {
    pub(in crate::store) async fn create_user(
        &self,
        user: NewUser,
        now: Millis,
    ) -> Result<Option<UserId>> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let Some(id) = insert_user(&mut tx, &user, now).await? else {
                tx.rollback().await?;
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
        sqlx::query(
            "SELECT id, name, role, enabled, quota, used_quota
             FROM users
             ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(row::user)
        .collect()
    }

    pub(in crate::store) async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        sqlx::query(
            "SELECT id, name, role, enabled, quota, used_quota
             FROM users
             WHERE name = ?",
        )
        .bind(name)
        .fetch_optional(&self.readers)
        .await?
        .as_ref()
        .map(row::user)
        .transpose()
    }

    pub(in crate::store) async fn user_by_token(
        &self,
        token: SecretDigest,
    ) -> Result<Option<User>> {
        sqlx::query(
            "SELECT id, name, role, enabled, quota, used_quota
             FROM users
             WHERE token_digest = ?",
        )
        .bind(token.as_bytes())
        .fetch_optional(&self.readers)
        .await?
        .as_ref()
        .map(row::user)
        .transpose()
    }

    pub(in crate::store) async fn grant(
        &self,
        name: &str,
        quota: Quota,
        now: Millis,
    ) -> Result<Granted> {
        let (store, name) = (self.clone(), name.to_owned());
        detach(async move {
            let mut tx = store.begin().await?;
            let Some(user) = user_number(&mut tx, &name).await? else {
                tx.rollback().await?;
                return Ok(Granted::NoSuchUser);
            };
            let Some(balance) = raise_quota(&mut tx, user, quota).await? else {
                tx.rollback().await?;
                return Ok(Granted::TooMuch);
            };
            insert_grant(&mut tx, user, quota, now).await?;
            tx.commit().await?;
            Ok(Granted::Given(balance))
        })
        .await
    }

    pub(in crate::store) async fn enable_user(&self, name: &str, enabled: bool) -> Result<bool> {
        let (store, name) = (self.clone(), name.to_owned());
        detach(async move {
            let mut tx = store.begin().await?;
            let changed = sqlx::query(
                "UPDATE users
                 SET enabled = ?
                 WHERE name = ?",
            )
            .bind(enabled)
            .bind(name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    pub(in crate::store) async fn replace_token(
        &self,
        name: &str,
        token: SecretDigest,
    ) -> Result<bool> {
        let (store, name) = (self.clone(), name.to_owned());
        detach(async move {
            let mut tx = store.begin().await?;
            let changed = sqlx::query(
                "UPDATE users
                 SET token_digest = ?
                 WHERE name = ?",
            )
            .bind(token.as_bytes())
            .bind(name)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(changed > 0)
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
        let (store, label) = (self.clone(), label.to_owned());
        detach(async move {
            let mut tx = store.begin().await?;
            let made = sqlx::query(
                "INSERT INTO api_keys (user_id, label, digest, quota_limit, created_at)
                 VALUES (?, ?, ?, ?, ?)
                 RETURNING id",
            )
            .bind(user.0)
            .bind(label)
            .bind(key.as_bytes())
            .bind(limit.map(Quota::get))
            .bind(now.0)
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(KeyId(made.int("id")?))
        })
        .await
    }

    pub(in crate::store) async fn keys(&self, user: UserId) -> Result<Vec<ApiKey>> {
        sqlx::query(
            "SELECT id AS key_id, label, enabled AS key_enabled, quota_limit,
                    used_quota AS key_used_quota
             FROM api_keys
             WHERE user_id = ?
             ORDER BY id",
        )
        .bind(user.0)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(row::api_key)
        .collect()
    }

    pub(in crate::store) async fn enable_key(&self, key: KeyId, enabled: bool) -> Result<bool> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let changed = sqlx::query(
                "UPDATE api_keys
                 SET enabled = ?
                 WHERE id = ?",
            )
            .bind(enabled)
            .bind(key.0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    pub(in crate::store) async fn key_holder(
        &self,
        key: SecretDigest,
    ) -> Result<Option<KeyHolder>> {
        let found = sqlx::query(
            "SELECT u.id, u.name, u.role, u.enabled, u.quota, u.used_quota,
                    k.id AS key_id, k.label, k.enabled AS key_enabled, k.quota_limit,
                    k.used_quota AS key_used_quota
             FROM api_keys AS k
             JOIN users AS u ON u.id = k.user_id
             WHERE k.digest = ?",
        )
        .bind(key.as_bytes())
        .fetch_optional(&self.readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(KeyHolder {
            user: row::user(&found)?,
            key: row::api_key(&found)?,
        }))
    }
}

/// `None`: the name is taken.
async fn insert_user(
    connection: &mut SqliteConnection,
    user: &NewUser,
    now: Millis,
) -> Result<Option<UserId>> {
    sqlx::query(
        "INSERT INTO users (name, role, quota, used_quota, token_digest, created_at)
         VALUES (?, ?, ?, 0, ?, ?)
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    )
    .bind(&user.name)
    .bind(user.role.as_str())
    .bind(money::grant(user.quota).amount)
    .bind(user.token.as_bytes())
    .bind(now.0)
    .fetch_optional(connection)
    .await?
    .map(|made| Ok(UserId(made.int("id")?)))
    .transpose()
}

async fn user_number(connection: &mut SqliteConnection, name: &str) -> Result<Option<UserId>> {
    sqlx::query(
        "SELECT id
         FROM users
         WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(connection)
    .await?
    .map(|found| Ok(UserId(found.int("id")?)))
    .transpose()
}

/// The new balance; `None` if balance and what was spent would together pass the most there can be
/// (a refund must always find room).
async fn raise_quota(
    connection: &mut SqliteConnection,
    user: UserId,
    quota: Quota,
) -> Result<Option<Quota>> {
    sqlx::query(
        "UPDATE users
         SET quota = quota + ?2
         WHERE id = ?1
           AND quota + used_quota + ?2 <= ?3
         RETURNING quota",
    )
    .bind(user.0)
    .bind(money::grant(quota).amount)
    .bind(Quota::MAX.get())
    .fetch_optional(connection)
    .await?
    .map(|raised| row::quota("users", "quota", user.0, raised.int("quota")?))
    .transpose()
}

async fn insert_grant(
    connection: &mut SqliteConnection,
    user: UserId,
    quota: Quota,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO ledger (user_id, kind, amount, created_at)
         VALUES (?, ?, ?, ?)",
    )
    .bind(user.0)
    .bind(EntryKind::Grant.as_str())
    .bind(money::grant(quota).amount)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}
