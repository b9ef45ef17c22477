//! Who holds an API key: asked at each request, so concurrent lookups share one statement.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::connections::Connections;
use crate::secret::SecretDigest;
use crate::store::Result;
use crate::store::accounts::{self, KeyHolder};
use crate::store::batcher::{Batcher, Policy, to_each};
use crate::store::row::Cells as _;

/// The longest lookup, with the wait for a connection: an answer may never come over a connection that
/// carries nothing.
const LONGEST_LOOKUP: Duration = Duration::from_secs(8);

/// Batches of lookups.
pub(super) type KeyHolders = Batcher<SecretDigest, Option<KeyHolder>>;

/// Batches lookups. Two batches at once let lookups pass a connection that hangs.
pub(super) fn batcher(connections: Connections) -> KeyHolders {
    let policy = Policy {
        slots: 2,
        max_items: 100,
        // Under load half as many statements, each twice as large.
        pause: Duration::from_millis(4),
    };
    Batcher::new(policy, move |keys| look_up(connections.clone(), keys))
}

impl PostgresStore {
    /// See [`crate::store::Store::key_holder`].
    pub(in crate::store) async fn key_holder(
        &self,
        key: SecretDigest,
    ) -> Result<Option<KeyHolder>> {
        self.key_holders.call(None, key).await
    }
}

async fn look_up(
    connections: Connections,
    keys: Vec<SecretDigest>,
) -> Vec<Result<Option<KeyHolder>>> {
    let lookup = key_holders(&connections, &keys);
    let found = connections.watchdog.bound(LONGEST_LOOKUP, lookup).await;
    match found.flatten() {
        Ok(found) => {
            // A row that cannot be read does not hold up the others.
            let holder = |key: &SecretDigest| {
                let row = found.get(key.as_bytes());
                row.map(accounts::key_holder).transpose()
            };
            keys.iter().map(holder).collect()
        }
        Err(error) => to_each(keys.len(), error),
    }
}

/// The rows of those who hold the keys, by digest.
async fn key_holders(
    connections: &Connections,
    keys: &[SecretDigest],
) -> Result<HashMap<Vec<u8>, PgRow>> {
    let mut session = connections.session().await?;
    let keys: Vec<&[u8]> = keys.iter().map(SecretDigest::as_bytes).collect();
    let found = sqlx::query(AssertSqlSafe(accounts::key_holders("k.digest = ANY ($1)")))
        .bind(keys)
        .fetch_all(&mut session)
        .await?;
    session.commit().await?;
    let found = found.into_iter();
    found.map(|row| Ok((row.get("digest")?, row))).collect()
}
