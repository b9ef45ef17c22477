//! API keys, and who a request with a key is from.

use serde::{Serialize, Serializer};

use super::{USER, User, user};
use crate::clock::Millis;
use crate::secret::SecretDigest;
use crate::store::row::{self, Cells};
use crate::store::sql::{Database, Tx, sql};
use crate::store::{Result, Store};
use crate::task::{KeyId, Quota, UserId};

/// An API key. The commands print these fields as JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    pub id: KeyId,
    /// What the operator calls the key.
    pub label: String,
    pub enabled: bool,
    /// What is left of the key's limit; `None` without a limit.
    pub quota: Option<Quota>,
    /// What was spent with the key and not given back.
    pub used_quota: Quota,
    /// From when on the key is refused; `None`: never. In JSON a date and a time by RFC 3339.
    #[serde(serialize_with = "as_date")]
    pub expires_at: Option<Millis>,
    /// How many of the key's tasks run at once at most; 0: no limit.
    pub max_tasks: u32,
    /// How many requests a second each API process takes with the key; 0: any number; `None`: as many as
    /// `API_RATE_LIMIT` says.
    pub rate: Option<u32>,
}

/// What to set of an API key; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyChange {
    /// The most quota that can be spent with the key, with what was spent already.
    pub limit: Option<Limit>,
    pub expires: Option<Expiry>,
    pub max_tasks: Option<u32>,
    pub rate: Option<KeyRate>,
}

/// The limit of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The user's balance is the only limit.
    None,
    At(Quota),
}

/// When an API key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    Never,
    At(Millis),
}

/// How many requests a second are taken with an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRate {
    /// As many as `API_RATE_LIMIT` says.
    Default,
    /// So many; 0: any number.
    ASecond(u32),
}

/// How a change of an API key ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySet {
    /// The key is now so.
    Done(ApiKey),
    NoSuchKey,
    /// More than the new limit was spent already: this much. Nothing was changed.
    LimitBelowUsed(Quota),
}

impl ApiKey {
    /// Whether the key is refused at this moment.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

#[allow(clippy::ref_option, reason = "serde passes fields so")]
fn as_date<S: Serializer>(
    moment: &Option<Millis>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    moment.map(Millis::utc).serialize(serializer)
}

/// An API key to be created.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub user: UserId,
    /// What the operator calls the key.
    pub label: String,
    pub digest: SecretDigest,
    /// The most quota that can be spent with the key; `None`: no limit of its own.
    pub limit: Option<Quota>,
    /// From when on the key is refused; `None`: never.
    pub expires_at: Option<Millis>,
}

impl NewKey {
    /// A key without a limit that never expires.
    pub fn new(user: UserId, label: &str, digest: SecretDigest) -> Self {
        Self {
            user,
            label: label.to_owned(),
            digest,
            limit: None,
            expires_at: None,
        }
    }
}

/// Who calls with an API key.
#[derive(Debug, Clone)]
pub struct KeyHolder {
    pub user: User,
    pub key: ApiKey,
}

/// The columns that [`api_key`] reads, of `api_keys k`. Their names differ from those of [`USER`].
const API_KEY: &str = "k.id AS key_id, k.label, k.enabled AS key_enabled, k.quota_limit, \
                       k.used_quota AS key_used_quota, k.expires_at, k.max_tasks AS key_max_tasks, k.rate";

impl Store {
    /// Creates an API key.
    pub async fn create_key(&self, key: NewKey, now: Millis) -> Result<KeyId> {
        let insert = sql(
            "INSERT INTO api_keys (user_id, label, digest, quota_limit, expires_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING id",
        )
        .bind(key.user.0) // $1 user_id
        .bind(&*key.label) // $2 label
        .bind(key.digest.as_bytes()) // $3 digest
        .bind(key.limit.map(Quota::get)) // $4 quota_limit
        .bind(key.expires_at.map(|moment| moment.0)) // $5 expires_at
        .bind(now.0); // $6 created_at
        let created = self.database.write(move |tx| Box::pin(tx.one(insert)));
        Ok(KeyId(created.await?.int("id")?))
    }

    /// A user's API keys, by number.
    pub async fn keys(&self, user: UserId) -> Result<Vec<ApiKey>> {
        let select = sql(format!(
            "SELECT {API_KEY} FROM api_keys k WHERE k.user_id = $1 ORDER BY k.id"
        ));
        let found = self.database.all(select.bind(user.0)).await?;
        found.iter().map(api_key).collect()
    }

    /// Enables or disables an API key. `false`: there is none of that number.
    pub async fn enable_key(&self, key: KeyId, enabled: bool) -> Result<bool> {
        let update = sql("UPDATE api_keys SET enabled = $2 WHERE id = $1");
        self.database
            .changes(update.bind(key.0).bind(enabled))
            .await
    }

    /// Sets limits of an API key, all that `change` names or none.
    pub async fn set_key(&self, key: KeyId, change: KeyChange) -> Result<KeySet> {
        self.database
            .write(move |tx| Box::pin(set_key(tx, key, change)))
            .await
    }

    /// Who holds the API key of this digest, both enabled or not.
    pub async fn key_holder(&self, key: SecretDigest) -> Result<Option<KeyHolder>> {
        if let Database::Postgres(store) = &self.database {
            return store.key_holder(key).await;
        }
        let select = sql(key_holders("k.digest = $1")).bind(key.as_bytes());
        let found = self.database.optional(select).await?;
        found.as_ref().map(key_holder).transpose()
    }
}

/// The statement that finds API keys `k`, each with its user, for [`key_holder`].
pub(in crate::store) fn key_holders(condition: &str) -> String {
    format!(
        "SELECT k.digest, {USER}, {API_KEY}
         FROM api_keys k
         JOIN users u ON u.id = k.user_id
         WHERE {condition}"
    )
}

/// See [`Store::set_key`]. The key is locked before its figures are read, so that no submit spends more meanwhile;
/// and its user before it, as a changed limit changes the user's lines.
async fn set_key(tx: &mut Tx, key: KeyId, change: KeyChange) -> Result<KeySet> {
    let lock = tx.for_update();
    let owner = "SELECT id FROM users WHERE id = (SELECT user_id FROM api_keys WHERE id = $1)";
    tx.optional(sql(format!("{owner} {lock}")).bind(key.0))
        .await?;
    let select = format!("SELECT {API_KEY} FROM api_keys k WHERE k.id = $1");
    let locked = tx
        .optional(sql(format!("{select} {lock}")).bind(key.0))
        .await?;
    let Some(locked) = locked else {
        return Ok(KeySet::NoSuchKey);
    };
    let used = api_key(&locked)?.used_quota;
    if let Some(Limit::At(limit)) = change.limit
        && limit < used
    {
        return Ok(KeySet::LimitBelowUsed(used));
    }
    let limit = match change.limit {
        None | Some(Limit::None) => None,
        Some(Limit::At(limit)) => Some(limit.get()),
    };
    let expires_at = match change.expires {
        None | Some(Expiry::Never) => None,
        Some(Expiry::At(moment)) => Some(moment.0),
    };
    let rate = match change.rate {
        None | Some(KeyRate::Default) => None,
        Some(KeyRate::ASecond(many)) => Some(i64::from(many)),
    };
    let update = sql("UPDATE api_keys
         SET quota_limit = CASE WHEN $2 THEN $3 ELSE quota_limit END,
             expires_at = CASE WHEN $4 THEN $5 ELSE expires_at END,
             max_tasks = COALESCE($6, max_tasks),
             rate = CASE WHEN $7 THEN $8 ELSE rate END
         WHERE id = $1")
    .bind(key.0) // $1 id
    .bind(change.limit.is_some()) // $2 whether quota_limit is set
    .bind(limit) // $3 quota_limit
    .bind(change.expires.is_some()) // $4 whether expires_at is set
    .bind(expires_at) // $5 expires_at
    .bind(change.max_tasks.map(i64::from)) // $6 max_tasks
    .bind(change.rate.is_some()) // $7 whether rate is set
    .bind(rate); // $8 rate
    tx.execute(update).await?;
    let changed = tx.one(sql(select).bind(key.0)).await?;
    Ok(KeySet::Done(api_key(&changed)?))
}

/// A row of [`API_KEY`].
fn api_key(found: &impl Cells) -> Result<ApiKey> {
    let id = found.int("key_id")?;
    let used = found.int("key_used_quota")?;
    let left = found.int_or_null("quota_limit")?.map(|limit| limit - used);
    Ok(ApiKey {
        id: KeyId(id),
        label: found.text("label")?,
        enabled: found.flag("key_enabled")?,
        quota: left
            .map(|left| row::quota("api_keys", "quota_limit", id, left))
            .transpose()?,
        used_quota: row::quota("api_keys", "used_quota", id, used)?,
        expires_at: found.int_or_null("expires_at")?.map(Millis),
        max_tasks: row::count("api_keys", "max_tasks", id, found.int("key_max_tasks")?)?,
        rate: found
            .int_or_null("rate")?
            .map(|rate| row::count("api_keys", "rate", id, rate))
            .transpose()?,
    })
}

/// A row of [`key_holders`].
pub(in crate::store) fn key_holder(found: &impl Cells) -> Result<KeyHolder> {
    Ok(KeyHolder {
        user: user(found)?,
        key: api_key(found)?,
    })
}
